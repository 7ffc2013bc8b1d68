"""JOST's Celery app; loaded by every process, configured from Django's settings on first use."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.signals import celeryd_init

from holdfast import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")

app = Celery("jost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["jost.embedded"])


@celeryd_init.connect(dispatch_uid="jost.worker_set_up")
def set_up_worker(*, conf: Any, **_: object) -> None:
    """Give workers the longer read timeout: they block in Redis on purpose, producers never do."""
    # Settings are not imported with the app: they may not be decided yet.
    from jost.settings.profiles import WORKER_TRANSPORT

    conf.broker_transport_options = conf.broker_transport_options | WORKER_TRANSPORT
    # Celery asks at every reconnect what worker_cancel_long_running_tasks_on_connection_loss shall be;
    # the settings have answered.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module="celery.worker")
