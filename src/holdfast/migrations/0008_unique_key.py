"""Keys of unique jobs; no process that runs during a deploy knows them yet."""

import holdfast.ledger.models.jobs
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("holdfast", "0007_kept_apart_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="UniqueKey",
            fields=[
                ("key", holdfast.ledger.models.jobs.KeyField(max_length=255, primary_key=True, serialize=False)),
                ("job", holdfast.ledger.models.jobs.KeyField(max_length=255)),
                ("until", models.DateTimeField(null=True)),
                ("awaited", models.BooleanField(default=False)),
                ("given_at", models.DateTimeField()),
                ("look_at", models.DateTimeField()),
            ],
            options={
                "db_table": "holdfast_unique_key",
                "indexes": [models.Index(fields=["look_at"], name="holdfast_unique_key_look")],
            },
        ),
    ]
