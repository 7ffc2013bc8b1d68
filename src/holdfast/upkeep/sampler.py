"""Notes once a minute how much waits in each queue, and forgets what is old. One worker does it for all."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from holdfast.conf import get_settings
from holdfast.ledger import samples

MINUTE = 60.0


class Sampler:
    """Takes samples while jobs wait: nothing is written of a minute in which none did."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next = float("-inf")

    def one_pass(self) -> None:
        """Take the samples of this minute, unless that was done."""
        now = self._monotonic()
        if now < self._next:
            return
        # First: what fails holds nothing else up until the next minute.
        self._next = now + MINUTE
        self._next = now + samples.take()
        settings = get_settings()
        samples.prune(older_than=timedelta(days=settings.minute_days), limit=settings.prune_batch)
