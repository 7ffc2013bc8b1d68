"""How a worker's main process treats a message: a durable job's ticket is claimed first, all else is plain Celery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker import strategy as stock

from holdfast.broker.messages import ticket_of
from holdfast.worker.current import current_intake
from holdfast.worker.deliveries import Delivery


def choose(task: Any, app: Any, consumer: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return the handler of one task's messages; Celery builds one per task at every connect.

    What comes here has passed the guard: a ticket is signed with one of our keys.
    """
    handle = stock.default(task, app, consumer, **kwargs)
    intake = current_intake(app)
    intake.handlers[task.name] = handle

    def receive(
        message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **options: Any
    ) -> Any:
        ticket = ticket_of(message.headers)
        if ticket is None:
            return handle(message, body, ack, reject, callbacks, **options)
        # Only what the ledger knows can run, and only as it was recorded; a claim decides that.
        intake.receive(Delivery(*ticket, message, ack, reject, callbacks))
        return None

    return receive
