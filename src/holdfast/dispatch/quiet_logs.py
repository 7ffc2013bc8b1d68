"""Keeps secrets out of what Celery logs of a job: the result of a success, and at level DEBUG the raw call."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery

from holdfast import vault
from holdfast.dispatch.redaction import redaction_of
from holdfast.ledger.holds import is_secret

TRACER = "celery.app.trace"
POOL = "celery.pool"
HIDDEN = "<hidden>"


class QuietTracer(logging.Filter):
    """Rewrites the lines of the tracer; lets all of them pass."""

    def __init__(self, app: Celery) -> None:
        super().__init__()
        self._app = app

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what must not be read in a line that is about a task."""
        said: Any = record.args
        if not isinstance(said, dict):
            return True
        task = self._app.current_worker_task
        if task is not None and task.request.id == said.get("id") and is_secret(task.request):
            _say_nothing(record, said)
        elif isinstance(said.get("return_value"), str):
            rules = redaction_of(self._app.tasks.get(str(said.get("name"))))
            record.args = {**said, "return_value": rules.text(said["return_value"])}
        return True


def _say_nothing(record: logging.LogRecord, said: dict[str, Any]) -> None:
    """Leave a line about an encrypted job without a word of its own: the class of an error, and where it happened."""
    shown: dict[str, str] = {
        key: vault.SHOWN for key in ("return_value", "args", "kwargs") if key in said
    }
    if "exc" in said:
        shown["exc"] = str(said["exc"]).partition("(")[0]
    if "traceback" in said:
        shown["traceback"] = vault.frames_of(str(said["traceback"]))
    record.args = record.data = {**said, **shown}
    record.exc_info = record.exc_text = None


class QuietPool(logging.Filter):
    """Leaves the message of a job out of the line that says that the pool was given it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what a pool is called with: it has not been decoded, so no name tells what is a secret."""
        if str(record.msg).startswith("TaskPool: Apply") and isinstance(record.args, tuple):
            record.args = (*record.args[:1], *[HIDDEN] * (len(record.args) - 1))
        return True


def install(app: Celery) -> None:
    """Rewrite Celery's lines in this process, and in those that are forked from it."""
    for name, quiet in ((TRACER, QuietTracer(app)), (POOL, QuietPool())):
        logger = logging.getLogger(name)
        for found in [found for found in logger.filters if type(found) is type(quiet)]:
            logger.removeFilter(found)
        logger.addFilter(quiet)
