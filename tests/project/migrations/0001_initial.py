from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AtomicEffect",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("job", models.CharField(db_index=True, max_length=255)),
            ],
            options={"db_table": "project_atomic_effect"},
        ),
    ]
