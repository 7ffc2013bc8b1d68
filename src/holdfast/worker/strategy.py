"""How a worker's main process treats a message: a durable job's ticket is claimed first, all else is plain Celery."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker import strategy as stock

from holdfast import events
from holdfast.broker.messages import is_authentic, ticket_of
from holdfast.worker.intake import Delivery, Intake, current_intake

logger = logging.getLogger("holdfast.security")


def choose(task: Any, app: Any, consumer: Any, **kwargs: Any) -> Callable[..., Any]:
    """Return the handler of one task's messages; Celery builds one per task at every connect."""
    handle = stock.default(task, app, consumer, **kwargs)
    intake = current_intake(app)
    intake.handlers[task.name] = handle

    def receive(
        message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **options: Any
    ) -> Any:
        headers = message.headers
        ticket = ticket_of(headers)
        if ticket is None:
            return handle(message, body, ack, reject, callbacks, **options)
        # First, so that the clerk is awake while the rest is looked at: the claim knows only what is in the ledger.
        intake.receive(Delivery(*ticket, message, ack, reject, callbacks))
        queue = str(message.delivery_info.get("routing_key", ""))
        if not is_authentic(headers, queue=queue):
            # Only what the ledger knows can run, and only as it was recorded; a claim decides that.
            logger.warning("Job %s: its message on queue %s is not signed by us", ticket[0], queue)
            events.message_unsigned.send(sender=Intake, job=ticket[0], queue=queue)
        return None

    return receive
