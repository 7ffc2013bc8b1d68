"""How the memory of a worker's processes grows; workers of an older release write nothing of it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0030_audit_indexes")]
    operations = [
        migrations.AddField(
            model_name="worker",
            name="growth",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
    ]
