"""What the doctor has found when somebody last asked it in the console."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0023_failed_batches")]
    operations = [
        migrations.CreateModel(
            name="Examination",
            fields=[
                ("number", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(blank=True, default="", max_length=255)),
                ("errors", models.IntegerField(default=0)),
                ("warnings", models.IntegerField(default=0)),
                ("report", models.TextField(default="{}")),
            ],
            options={"db_table": "holdfast_examination"},
        ),
    ]
