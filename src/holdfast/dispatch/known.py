"""The tasks of a process that only looks at jobs: a worker imports all task modules, a web process may not."""

from __future__ import annotations

import logging
import threading
from typing import Any
from weakref import WeakSet

from celery import Celery
from celery.fixups.django import DjangoFixup
from celery.signals import import_modules

from holdfast.interruptions import let_out_interruption

logger = logging.getLogger("holdfast")
_loading = threading.RLock()
_loaded: WeakSet[Celery] = WeakSet()


def task_named(app: Celery, name: Any) -> Any:
    """Return a task of the project; None if it has none of this name.

    The first one that is not known has all task modules imported, once in a process: what a task hides, takes and
    allows is said where it is written. Where one cannot be imported that is logged, and what is known stays known.
    """
    found = app.tasks.get(name)
    # Behind `current_app` stands the app that its loader knows.
    itself = app.loader.app
    if found is None and itself not in _loaded:
        # Of two that import at once Celery would let the second go on before the first has come to the end.
        with _loading:
            if itself not in _loaded:
                _load(itself)
                _loaded.add(itself)
        found = app.tasks.get(name)
    return found


def _load(app: Celery) -> None:
    try:
        # Celery's own would set Django up once more, its logging too, and run all checks.
        signal: Any = import_modules
        for hears in signal._live_receivers(app):
            if not isinstance(getattr(hears, "__self__", None), DjangoFixup):
                hears(signal=signal, sender=app)
        for module in app.loader.default_modules:
            app.loader.import_task_module(module)
        app.finalize()
    except Exception as error:
        let_out_interruption(error)
        logger.exception(
            "Not all task modules can be imported here: what their tasks declare, such as redact=, is not known"
        )
