"""What `check()` of the backend finds in TASKS; it touches no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from celery import current_app
from django.core import checks
from django.core.checks import CheckMessage

if TYPE_CHECKING:
    from holdfast.dispatch.django_tasks import HoldfastBackend

# Ids never change their meaning.
QUEUE_CANNOT_BE_USED = "holdfast.E101"
ENQUEUED_WITH_THE_TRANSACTION = "holdfast.W101"


def check_backend(backend: HoldfastBackend) -> Iterator[CheckMessage]:
    """Find queues whose jobs would not be durable, and an option that means something else here."""
    # Without our app nothing is recorded, and holdfast.E005 says so.
    reasons = map(_unusable, sorted(backend.queues)) if hasattr(current_app, "outbox") else ()
    for reason in filter(None, reasons):
        yield checks.Error(
            f"TASKS[{backend.alias!r}]: {reason}",
            hint="Name queues in QUEUES that Celery knows and that have one receiver.",
            id=QUEUE_CANNOT_BE_USED,
        )
    if backend.params.get("ENQUEUE_ON_COMMIT", True) is False:
        yield checks.Warning(
            f"TASKS[{backend.alias!r}] has ENQUEUE_ON_COMMIT off: a call is part of the transaction all the same.",
            hint="Remove it. What must run even if the transaction rolls back is enqueued outside of it.",
            id=ENQUEUED_WITH_THE_TRANSACTION,
        )


def _unusable(queue_name: str) -> str:
    from holdfast.dispatch.django_api import InvalidTask
    from holdfast.dispatch.django_tasks import celery_queue

    try:
        celery_queue(current_app, queue_name)
    except InvalidTask as error:
        return str(error)
    return ""
