"""Which operation cancels the members of a batch; workers of an older release cancel them beside it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0032_totals")]
    operations = [
        migrations.AddField(
            model_name="batch",
            name="cancelling",
            field=models.BigIntegerField(null=True),
        ),
    ]
