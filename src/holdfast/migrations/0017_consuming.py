"""Whether a worker consumes: when it last heard a canary, and since when it is stalled; old workers leave both alone."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0016_pauses")]
    operations = [
        migrations.AddField(
            model_name="worker", name="heard_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="worker", name="stalled_at", field=models.DateTimeField(null=True)
        ),
    ]
