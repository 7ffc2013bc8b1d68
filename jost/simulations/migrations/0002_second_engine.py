"""Make the tables anew: rounds of engine 1 cannot be added to those of engine 2, nor be shown beside them.

What the first engine has counted is deleted. A seed gives other rounds in the second, so nothing could go on from it.
"""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("simulations", "0001_initial")]

    operations = [
        migrations.DeleteModel(name="Chunk"),
        migrations.DeleteModel(name="Simulation"),
        migrations.CreateModel(
            name="Study",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("compare", "Compare"), ("sweep", "Sweep")], max_length=16
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200)),
                ("key", models.CharField(blank=True, max_length=100)),
                ("values", models.JSONField(default=list)),
                ("rounds", models.BigIntegerField()),
                ("seed", models.BigIntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Simulation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200)),
                ("rules", models.JSONField()),
                ("rounds", models.BigIntegerField()),
                ("seed", models.BigIntegerField()),
                ("target", models.FloatField(null=True)),
                ("engine_version", models.SmallIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("paused", "Paused"),
                            ("succeeded", "Succeeded"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("leg", models.IntegerField(default=0)),
                ("batch_id", models.CharField(blank=True, max_length=64)),
                ("held", models.JSONField(null=True)),
                ("tally", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("seconds_before", models.FloatField(default=0)),
                ("active_since", models.DateTimeField(null=True)),
                ("place", models.SmallIntegerField(default=0)),
                (
                    "study",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="simulations",
                        to="simulations.study",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.IntegerField()),
                ("rounds", models.BigIntegerField()),
                (
                    "payoff_sum",
                    models.BigIntegerField(help_text="of all spots, in tenths of the bet"),
                ),
                (
                    "squares",
                    models.BigIntegerField(
                        help_text="of the payoffs of rounds, in tenths, squared"
                    ),
                ),
                (
                    "spot_squares",
                    models.BigIntegerField(help_text="of the payoffs of spots, in tenths, squared"),
                ),
                (
                    "tally",
                    models.JSONField(
                        help_text="null once the simulation holds it in its sum", null=True
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "simulation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="simulations.simulation",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("simulation", "index"), name="chunk_counted_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="simulation",
            index=models.Index(fields=["-created_at"], name="simulation_newest"),
        ),
    ]
