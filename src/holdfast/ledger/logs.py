"""What an attempt has logged goes into the transaction that ends it, by whatever move that is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextvars import ContextVar

from holdfast.ledger.database import alias
from holdfast.ledger.models import Job
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.records import Hold

# The attempt whose end is to be recorded here, and what it has logged so far.
_pending: ContextVar[tuple[Hold, Callable[[], str]] | None] = ContextVar(
    "holdfast_pending_log", default=None
)


class kept_with_the_end:  # noqa: N801  # reads as a function; a generator costs each job twice as much
    """Let the move inside that ends this attempt write what it has logged; an empty text is not written."""

    __slots__ = ("_kept", "_reset")

    def __init__(self, hold: Hold, text: Callable[[], str] | None) -> None:
        self._kept = None if text is None else (hold, text)

    def __enter__(self) -> None:
        self._reset = _pending.set(self._kept)

    def __exit__(self, *_: object) -> None:
        _pending.reset(self._reset)


def pending(hold: Hold) -> str:
    """Return what the end of an attempt must write; empty for most."""
    found = _pending.get()
    return found[1]() if found is not None and (found[0] is hold or found[0] == hold) else ""


def keep(hold: Hold, *, number: int | None = None) -> None:
    """Write what an attempt has logged; call it in the transaction in which its fenced move has hit its row."""
    text = pending(hold)
    if text:
        if number is None:
            number = Job.objects.using(alias()).values_list("attempts", flat=True).get(id=hold.id)
        AttemptLog.objects.using(alias()).create(job=hold.id, number=number, text=text)


def of_job(job_id: str) -> dict[int, list[str]]:
    """Return the lines of a job's attempts by their number."""
    rows = AttemptLog.objects.using(alias()).filter(job=job_id)
    return {number: text.split("\n") for number, text in rows.values_list("number", "text")}


def forget(job_id: str, *, numbers: Collection[int] | None = None) -> None:
    """Delete what a job's attempts have logged, or some of them."""
    rows = AttemptLog.objects.using(alias()).filter(job=job_id)
    (rows if numbers is None else rows.filter(number__in=list(numbers))).delete()
