"""The results of a chord's members may be encrypted; processes of the release before write none that is."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("holdfast", "0014_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="chordpart",
            name="content_encoding",
            field=models.CharField(blank=True, db_default="", default="", max_length=50),
        ),
    ]
