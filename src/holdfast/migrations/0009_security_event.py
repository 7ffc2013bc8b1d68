"""Security events; no process that runs during a deploy knows them yet."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("holdfast", "0008_unique_key"),
    ]

    operations = [
        migrations.CreateModel(
            name="SecurityEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                ("kind", models.CharField(max_length=32)),
                ("queue", models.CharField(blank=True, default="", max_length=255)),
                ("task", models.CharField(blank=True, default="", max_length=255)),
                ("job", models.CharField(blank=True, default="", max_length=255)),
                ("worker", models.UUIDField(null=True)),
                ("digest", models.CharField(blank=True, default="", max_length=64)),
                ("size", models.BigIntegerField(default=0)),
                ("count", models.BigIntegerField(default=1)),
                ("accepted", models.BooleanField(default=False)),
            ],
            options={
                "db_table": "holdfast_security_event",
                "indexes": [models.Index(fields=["at"], name="holdfast_security_event_at")],
            },
        ),
    ]
