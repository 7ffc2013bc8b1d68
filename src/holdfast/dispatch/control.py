"""Celery's remote control, with cancelling done where it lasts: in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from celery.app.control import Control
from django.db import transaction

from holdfast.interruptions import let_out_interruption
from holdfast.ledger import interventions
from holdfast.ledger.database import alias
from holdfast.ledger.limiting import limits
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.reads import queries
from holdfast.policies.limits import limit_of_rate

logger = logging.getLogger("holdfast.dispatch")


class LedgerControl(Control):
    """Revoking a durable job is an update of its row: it needs no worker to hear it, and a replay can undo it."""

    def rate_limit(
        self, task_name: str, rate_limit: Any, destination: Any = None, **kwargs: Any
    ) -> Any:
        """Change the `rate_limit` of a task: in the ledger, if the task was given one; else in each worker alone."""
        bounds = Bounds(rate=str(rate_limit)) if rate_limit else Bounds()
        limits.override(limit_of_rate(task_name), bounds, actor="control.rate_limit")
        return super().rate_limit(task_name, rate_limit, destination=destination, **kwargs)

    def revoke(
        self,
        task_id: str | Iterable[str],
        destination: Any = None,
        terminate: bool = False,
        signal: str = "SIGTERM",
        actor: str | None = None,
        ask: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Cancel jobs: waiting ones always, running ones if `terminate` says so.

        A running job's row is cancelled at once; its worker is told by broadcast, and finds out by itself
        within a heartbeat if the broker is down. Without `terminate` a running job is asked to stop, unless `ask`
        is off: its body may look, and it is not run again. With an actor the audit gets a line for each job.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        ours = queries.known(ids)
        running = (
            interventions.cancel(ours, running=terminate, ask=ask, actor=actor) if ours else []
        )
        if running:
            tell = partial(self.tell_workers, running, destination=destination, signal=signal)
            # Before the commit the workers would end attempts that a rollback lets stand.
            transaction.on_commit(tell, using=alias())
        others = [id for id in ids if id not in ours]
        if not others:
            return None
        if ours and not self._broker_answers():
            logger.warning(
                "Jobs of the ledger are cancelled; %d ids that it does not know cannot be revoked: the broker is away",
                len(others),
            )
            return None
        return super().revoke(
            others, destination=destination, terminate=terminate, signal=signal, **kwargs
        )

    def tell_workers(
        self, running: list[str], *, destination: Any = None, signal: str = "SIGTERM"
    ) -> None:
        """Tell workers that jobs which they run are cancelled; while the broker is away they find out by themselves."""
        try:
            if not self._broker_answers():
                logger.warning(
                    "The broker is away: workers stop %d cancelled jobs at their next heartbeat",
                    len(running),
                )
                return
            super().revoke(running, destination=destination, terminate=True, signal=signal)
        except Exception as error:  # see above
            let_out_interruption(error)
            logger.warning(
                "Could not tell the workers of %d cancelled jobs at once: %s", len(running), error
            )

    def _broker_answers(self) -> bool:
        """Ask first, within the publish timeout: Celery's broadcast tries for many seconds."""
        publisher = self.app.outbox.publisher
        return bool(publisher.available and publisher.is_reachable())
