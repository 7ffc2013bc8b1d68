"""JOST's Celery app; loaded by every process, configured from Django's settings on first use."""

from __future__ import annotations

import os
import warnings
from typing import Any

from celery import signals
from celery.exceptions import CPendingDeprecationWarning

from holdfast import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jost.settings.development")

app = Celery("jost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["jost.embedded"])


@signals.celeryd_init.connect(dispatch_uid="jost.worker_set_up")
def set_up_worker(*, conf: Any, **_: object) -> None:
    """Give workers the longer read timeout: they block in Redis on purpose, producers never do."""
    # Settings are not imported with the app: they may not be decided yet.
    from jost.settings.profiles import WORKER_TRANSPORT

    conf.broker_transport_options = conf.broker_transport_options | WORKER_TRANSPORT
    # Celery asks at every reconnect what worker_cancel_long_running_tasks_on_connection_loss shall be;
    # the settings have answered.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning, module="celery.worker")


@signals.celeryd_init.connect(dispatch_uid="jost.embedded_redis")
@signals.beat_init.connect(dispatch_uid="jost.embedded_redis")
def say_where_redis_is_missing(**_: object) -> None:
    """Tell a worker or scheduler in another shell what to start, before it begins to wait for it."""
    from django.conf import settings

    from holdfast.testing.services import redis_answers

    port = getattr(settings, "EMBEDDED_REDIS_PORT", None)
    if port is not None and not redis_answers(port):
        warnings.warn(
            f"The embedded Redis does not run on port {port}: start it by `make up` in another shell, "
            "or set REDIS_URL. Jobs sent meanwhile wait in the ledger.",
            stacklevel=2,
        )
