"""The indexes of members by batch, group and root: on PostgreSQL built beside those who write."""



from django.db import migrations, models
from django.db.models import F, Q

from holdfast.migrations._operations import AddIndexBesideWriters




class Migration(migrations.Migration):
    atomic = False
    dependencies = [("holdfast", "0012_batch")]
    operations = [
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("batch_id__isnull", False)),
                fields=["batch_id", "state", "id"],
                name="holdfast_job_batch",
            ),
        ),
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("group_id__isnull", False)),
                fields=["group_id", "state", "id"],
                name="holdfast_job_group",
            ),
        ),
        AddIndexBesideWriters(
            model_name="job",
            index=models.Index(
                condition=Q(("root_id__isnull", False)) & ~Q(("root_id", F("id"))),
                fields=["root_id", "id"],
                name="holdfast_job_root",
            ),
        ),
    ]
