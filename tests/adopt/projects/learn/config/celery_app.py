import os

from celery import Celery, Task
from celery.signals import task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")


class AuditedTask(Task):
    def __call__(self, *args, **kwargs):
        audit(self.name)
        return self.run(*args, **kwargs)


@task_prerun.connect
def audit_start(**kwargs):
    pass


def audit(name):
    pass


app = Celery("learn", task_cls=AuditedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_rate_limit = "100/m"
app.conf.update(task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
app.autodiscover_tasks()
