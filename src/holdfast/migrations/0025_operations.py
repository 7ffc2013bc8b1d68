"""Operations on all jobs that match a filter; a worker that runs during a deploy leaves them to the new ones."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('holdfast', '0024_examination'),
    ]

    operations = [
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=16)),
                ('state', models.CharField(default='running', max_length=8)),
                ('filter', models.TextField(default='{}')),
                ('options', models.TextField(default='{}')),
                ('actor', models.CharField(blank=True, default='', max_length=255)),
                ('reason', models.TextField(blank=True, default='')),
                ('asked_at', models.DateTimeField()),
                ('worked_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('cursor', models.TextField(blank=True, default='')),
                ('put_off', models.TextField(blank=True, default='[]')),
                ('total', models.BigIntegerField(default=0)),
                ('total_exact', models.BooleanField(default=False)),
                ('done', models.BigIntegerField(default=0)),
                ('skipped', models.BigIntegerField(default=0)),
                ('failed', models.BigIntegerField(default=0)),
                ('error', models.TextField(blank=True, default='')),
            ],
            options={
                'db_table': 'holdfast_operation',
                'indexes': [models.Index(condition=models.Q(('state', 'running')), fields=['id'], name='holdfast_operation_open'), models.Index(fields=['ended_at'], name='holdfast_operation_ended')],
            },
        ),
    ]
