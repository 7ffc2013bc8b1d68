"""The consumer's part: the gate goes onto the transport's channel, and a reconnect drops no claimed job."""

from __future__ import annotations

import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer.consumer import Consumer

from holdfast.worker.intake import current_intake


class LedgerConsumer(Consumer):
    """Celery's consumer; chosen by the `worker_consumer` setting that `holdfast.Celery` fills in."""

    def on_close(self) -> None:
        """Let Celery drop what it had reserved on the broken connection, and doubt what may have been dropped."""
        super().on_close()
        now = time.monotonic()
        for held in list(current_intake(self.app).held.values()):
            if held.delivered and getattr(held.request, "time_start", None) is None:
                held.doubtful_since = now


class GateStep(bootsteps.StartStopStep):
    """Opens the intake for each new connection, and ends it when the worker has stopped for good."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Put the gate onto the channel the tasks come from."""
        intake = current_intake(parent.app)
        parent.task_consumer.channel.gate = intake
        intake.bind(parent)

    def shutdown(self, parent: Any) -> None:
        """The pool has stopped: what is still held was not finished, so hand it back and retire."""
        lifeline = getattr(parent.controller, "lifeline", None)
        if lifeline is not None:
            lifeline.retire()
