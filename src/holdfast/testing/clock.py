"""Time travel for jobs: what they wait for comes nearer. No clock is touched, neither Python's nor the database's."""

from __future__ import annotations

from datetime import timedelta

from holdfast.ledger import rehearsal
from holdfast.ledger.reads import queries

# Rounds up what SQLite, whose clock has milliseconds, rounds down.
MARGIN = timedelta(milliseconds=2)


def travel(by: timedelta) -> None:
    """Let this much time pass for every job that is recorded and not finished.

    Raises:
        ValueError: the time is not positive; rows that have become due cannot be made to wait again.
    """
    if by <= timedelta():
        raise ValueError(f"travel({by!r}): jobs travel forward only; give a positive timedelta.")
    rehearsal.bring_forward(by)


def travel_to_next_due() -> bool:
    """Let as much time pass as the next job waits for; False if none waits for its time."""
    seconds = queries.seconds_to_next_due()
    if seconds is None:
        return False
    if seconds > 0:
        rehearsal.bring_forward(timedelta(seconds=seconds) + MARGIN)
    return True
