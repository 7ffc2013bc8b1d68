"""Scheduler processes as they tell of themselves; older ones do not."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0021_small_sets")]
    operations = [
        migrations.CreateModel(
            name="SchedulerProcess",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("host", models.CharField(max_length=255)),
                ("pid", models.IntegerField()),
                ("started_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("leads_since", models.DateTimeField(null=True)),
            ],
            options={"db_table": "holdfast_scheduler"},
        ),
    ]
