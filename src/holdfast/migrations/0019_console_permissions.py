from django.db import migrations

# Written out: a migration says what was so when it was written.
PERMISSIONS = [
    ("view_console", "Can look at the console of Holdfast"),
    ("operate_console", "Can work on jobs, queues and schedules in the console"),
    ("administer_console", "Can change limits and workers in the console"),
]


class Migration(migrations.Migration):
    dependencies = [("holdfast", "0018_lengths_of_leases")]

    operations = [
        migrations.AlterModelOptions(name="job", options={"permissions": PERMISSIONS}),
    ]
