"""The autoscaler of `--autoscale`: the pool follows how much waits in the worker's queues, and for how long.

Celery's own follows what a worker has reserved, and here that is never more than its slots: its pool would never grow.
Looks are the clerk's, changes the event loop's. A look that fails, comes late or comes while the broker is away makes
nothing smaller.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.worker.autoscale import Autoscaler

from holdfast.conf import get_settings
from holdfast.ledger.reads import depth
from holdfast.policies.scaling import Scale
from holdfast.worker import pools
from holdfast.worker.current import current_intake

logger = logging.getLogger("holdfast.worker")
TICK_SECONDS = 1.0
LOOK_SECONDS = 3.0
# In one cooldown, at least.
LOOKS = 4
# From its asking to its answer; whatever is slower than that is in trouble.
LATE_SECONDS = 2.0


class QueueAutoscaler(Autoscaler):
    """Chosen by the `worker_autoscaler` setting that `holdfast.Celery` fills in."""

    max_concurrency: int
    min_concurrency: int

    def __init__(
        self,
        pool: Any,
        max_concurrency: int,
        min_concurrency: int = 0,
        worker: Any = None,
        **options: Any,
    ) -> None:
        least = max(1, min_concurrency)
        super().__init__(pool, max(max_concurrency, least), least, worker=worker, **options)
        self._every = min(LOOK_SECONDS, get_settings().autoscale_cooldown_seconds / LOOKS)
        # How often Celery's event loop calls `maybe_scale`.
        self.keepalive = min(TICK_SECONDS, self._every)
        self._intake = current_intake(worker.app)
        self._scale = Scale(least=self.min_concurrency, most=self.max_concurrency)
        self._asked_at: float | None = None
        self._ask_at = float("-inf")
        self._waiting = 0
        self._fixed: str | None = None

    def maybe_scale(self, req: Any = None) -> None:
        """Ask for a look where it is time, and give the pool the slots it should have; Celery calls this each second.

        It does so with every message as well, where nothing is to be done.
        """
        if req is not None or self._fixed or not self._intake.open:
            return
        try:
            self._turn()
        except Exception:
            # Where there is no event loop Celery ends the process over an error here.
            logger.exception("Autoscaling failed: the pool keeps its size until the next look")

    def _turn(self) -> None:
        if self._fixed is None:
            # A pool of processes knows how to grow once it has started.
            self._fixed = pools.why_fixed(self.pool)
            if self._fixed:
                logger.warning("--autoscale does nothing here: %s", self._fixed)
                return
        now = time.monotonic()
        if self._asked_at is None and now >= self._ask_at:
            self._asked_at, self._ask_at = now, now + self._every
            self._intake.clerk.submit(self._look)
        elif self._asked_at is not None and now - self._asked_at > LATE_SECONDS:
            self._scale.missed()
        self._follow()

    def update(self, max: int | None = None, min: int | None = None) -> tuple[int, int]:
        """Stay within other bounds: what `celery control autoscale` asks for.

        Raises:
            ValueError: the lower one would be above the upper one.
        """
        most = self.max_concurrency if max is None else int(max)
        least = self.min_concurrency if min is None else int(min)
        if not 1 <= least <= most:
            raise ValueError(
                f"autoscale: at least {least} and at most {most} slots is nothing a pool can have; "
                "say a maximum that is no less than the minimum, which is 1 or more"
            )
        self.max_concurrency, self.min_concurrency = most, least
        self._scale.bind(least=least, most=most)
        self.maybe_scale()
        return most, least

    def info(self) -> dict[str, Any]:
        """What `celery inspect stats` shows."""
        return super().info() | {"waiting": self._waiting, "wanted": self._scale.slots}

    def _look(self) -> None:
        """Count what waits; in the clerk's thread, which asks again if the database does not answer."""
        asked_at = self._asked_at
        try:
            found = depth.depth(self._serves(), most=self._scale.enough)
        except Exception:
            self._scale.missed()
            raise
        late = asked_at is None or time.monotonic() - asked_at > LATE_SECONDS
        if late or not self._broker_is_there():
            self._scale.missed()
        self._waiting = found.waiting
        self._scale.heard(found.waiting, oldest_seconds=found.oldest_seconds)
        self._asked_at = None

    def _follow(self) -> None:
        """Change the pool's size as far as idle slots allow; the rest when jobs have ended."""
        before, wanted = self.processes, self._scale.slots
        if wanted == before:
            return
        after = self._intake.resize(wanted)
        if after != before:
            logger.info(
                "Autoscaling from %d to %d slots: %d jobs wait", before, after, self._waiting
            )
            self.worker.lifeline.tell()

    def _serves(self) -> list[str]:
        return list(self.worker.app.amqp.queues.consume_from)

    def _broker_is_there(self) -> bool:
        stalled = self.worker.lifeline.condition.stalled_since is not None
        return not stalled and getattr(self.worker.consumer, "connection", None) is not None
