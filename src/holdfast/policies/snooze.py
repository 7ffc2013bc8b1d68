"""Snooze: how a body says "not now, later" without having failed; raised in the process that runs it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import Ignore

LONGEST_SECONDS = timedelta(days=3650).total_seconds()


class Snooze(Ignore):
    """Raise it in a body to let the job come back later: neither a failure, a loss nor a retry.

    What an `atomic` body has written is rolled back. The job waits in the ledger, due by the database's clock, for as
    long as it is not cancelled and its `expires` is not over; no worker remembers it.

    Args:
        seconds: how long to wait, as a number or a timedelta; 0 is as soon as the relay looks.
        until: the moment to come back at, in place of `seconds`; one that is past is due at once.
        reason: kept with the attempt.

    Raises:
        ValueError: neither or both times are given, or one that cannot be waited for.
    """

    def __init__(
        self,
        seconds: float | timedelta | None = None,
        *,
        until: datetime | None = None,
        reason: str = "",
    ) -> None:
        self.seconds = None if seconds is None else _seconds(seconds)
        self.until = until
        self.reason = reason
        if (seconds is None) == (until is None):
            raise ValueError(
                "Snooze takes either seconds or until, and exactly one of them: Snooze(seconds=30)."
            )
        if until is not None and until.tzinfo is None:
            raise ValueError(
                f"Snooze(until={until!r}) says no time zone. Use django.utils.timezone.now() and what is made from it."
            )
        super().__init__(str(self))

    def __str__(self) -> str:
        when = f"for {self.seconds:g} s" if self.seconds is not None else f"until {self.until}"
        return f"snoozed {when}" + (f": {self.reason}" if self.reason else "")

    def __reduce__(self) -> Any:
        return (_again, (self.seconds, self.until, self.reason))


def _again(seconds: float | None, until: datetime | None, reason: str) -> Snooze:
    return Snooze(seconds, until=until, reason=reason)


def _seconds(said: float | timedelta) -> float:
    seconds = said.total_seconds() if isinstance(said, timedelta) else said
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not (math.isfinite(seconds) and 0 <= seconds <= LONGEST_SECONDS)
    ):
        raise ValueError(
            f"Snooze(seconds={said!r}) cannot be waited for: give a number of seconds from 0 to ten years."
        )
    return float(seconds)
