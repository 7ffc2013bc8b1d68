"""Celery's remote control, with cancelling done where it lasts: in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery.app.control import Control

from holdfast.ledger import interventions, queries

logger = logging.getLogger("holdfast.dispatch")


class LedgerControl(Control):
    """Revoking a durable job is an update of its row: it needs no worker to hear it, and a replay can undo it."""

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Any = None,
        terminate: bool = False,
        signal: str = "SIGTERM",
        actor: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Cancel jobs: waiting ones always, running ones if `terminate` says so.

        A running job's row is cancelled at once; its worker is told by broadcast, and finds out by itself
        within a heartbeat if the broker is down. With an actor the audit gets a line for each job.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        ours = queries.known(ids)
        running = interventions.cancel(ours, running=terminate, actor=actor) if ours else []
        if running:
            try:
                super().revoke(running, destination=destination, terminate=True, signal=signal)
            except Exception as error:  # the broker's client library decides which
                logger.warning(
                    "Could not tell the workers of %d cancelled jobs at once: %s",
                    len(running),
                    error,
                )
        others = [id for id in ids if id not in ours]
        if others:
            return super().revoke(
                others, destination=destination, terminate=terminate, signal=signal, **kwargs
            )
        return None
