"""The index of attempts that are to be counted: on PostgreSQL built beside those who write."""

from django.db import migrations, models
from django.db.models import Q

from holdfast.migrations._operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0026_failures")]
    operations = [
        AddIndexBesideWriters(
            model_name="attempt",
            index=models.Index(
                fields=["id"], name="holdfast_attempt_uncounted", condition=Q(("uncounted", True))
            ),
        ),
    ]
