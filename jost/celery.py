"""JOST's Celery app; loaded by every process, configured from Django's settings on first use."""

from __future__ import annotations

import os
from typing import Any

from celery.signals import celeryd_init

from holdfast import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")

app = Celery("jost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["jost.embedded"])


@celeryd_init.connect(dispatch_uid="jost.patient_reads")
def let_workers_read_patiently(*, conf: Any, **_: object) -> None:
    """Give workers the longer read timeout: they block in Redis on purpose, producers never do."""
    # Settings are not imported with the app: they may not be decided yet.
    from jost.settings.profiles import WORKER_TRANSPORT

    conf.broker_transport_options = conf.broker_transport_options | WORKER_TRANSPORT
