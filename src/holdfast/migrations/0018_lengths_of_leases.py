"""How long leases, duties and waits last, beside their ends: old workers write none, and what they set is left as it is."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0017_consuming")]
    operations = [
        migrations.AddField(
            model_name="worker", name="lease_seconds", field=models.FloatField(null=True)
        ),
        migrations.AddField(model_name="duty", name="seconds", field=models.FloatField(null=True)),
        migrations.AddField(
            model_name="job", name="wait_seconds", field=models.FloatField(null=True)
        ),
    ]
