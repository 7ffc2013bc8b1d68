"""Jobs whose task has a retention of its own are told from the others."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0005_schedule")]
    operations = [
        migrations.AddField(
            model_name="job",
            name="kept_apart",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
