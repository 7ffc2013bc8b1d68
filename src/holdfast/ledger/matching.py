"""Which jobs an operation is about: a filter that is written down as JSON, and read again by whoever works it off."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from django.db.models import Exists, OuterRef, Q, QuerySet

from holdfast.ledger.database import alias
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.states import Reason, State


class Matching(Protocol):
    """A filter, as an operation needs it."""

    @property
    def states(self) -> frozenset[int]:
        """The states it names; none: any."""

    @property
    def fingerprint(self) -> str | None:
        """The cause that the dead letters it matches share, if it names one."""

    @property
    def is_everything(self) -> bool:
        """Whether it leaves out no job at all, or none but by its state."""

    def rows(self, *, now: datetime) -> QuerySet[Job]:
        """Return the jobs that match; what it says relative to a clock is meant as of `now`."""

    def as_json(self) -> dict[str, Any]:
        """Return it as `of_json` reads it."""

    def words(self) -> str:
        """Return it as `of_words` reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMatch:
    """Jobs by what they have in common; None does not select."""

    task: str | None = None
    queue: str | None = None
    state: tuple[str, ...] = ()
    reason: str | None = None
    error: str | None = None
    """Text in the error of the last attempt."""
    fingerprint: str | None = None
    since: str | None = None
    """Ended then or later; an ISO time with its zone."""
    until: str | None = None
    ids: tuple[str, ...] | None = None

    @property
    def states(self) -> frozenset[int]:
        return frozenset(int(State[name.upper()]) for name in self.state)

    @property
    def is_everything(self) -> bool:
        return not any(value for name, value in asdict(self).items() if name != "state")

    def rows(self, *, now: datetime) -> QuerySet[Job]:
        del now  # nothing is said relative to it
        exact = {
            "task": self.task,
            "queue": self.queue,
            "fingerprint": self.fingerprint,
            "state__in": sorted(self.states) or None,
            "finished_at__gte": _moment(self.since),
            "finished_at__lte": _moment(self.until),
            "id__in": self.ids,
        }
        rows = job_rows().filter(
            **{key: value for key, value in exact.items() if value is not None}
        )
        if self.reason is not None:
            reason = Q(reason=self.reason)
            if self.reason == Reason.ERROR:
                # Failures of a release that did not say why.
                reason |= Q(reason="", state=State.FAILED)
            rows = rows.filter(reason)
        if self.error is not None:
            last = Attempt.objects.using(alias()).filter(
                job=OuterRef("id"), number=OuterRef("attempts")
            )
            rows = rows.filter(Exists(last.filter(error__icontains=self.error)))
        return rows

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def words(self) -> str:
        pairs = self.as_json().items()
        joined = {key: ",".join(v) if isinstance(v, tuple) else str(v) for key, v in pairs}
        return " ".join(shlex.quote(f"{key}:{value}") for key, value in joined.items())


def of_json(said: Mapping[str, Any]) -> Matching:
    """Read a filter that was written down.

    Raises:
        ValueError: there is something in it that this release does not know: it must not match more than was meant.
    """
    known = {field.name for field in fields(JobMatch)}
    if unknown := sorted(said.keys() - known):
        raise ValueError(f"Its filter has {', '.join(unknown)}, which this release does not know.")
    lists = {name: tuple(said[name]) for name in ("state", "ids") if said.get(name) is not None}
    return JobMatch(**{**said, **lists})


def of_words(text: str) -> Matching:
    """Read a filter in words: `task:shop.charge state:failed`.

    Raises:
        ValueError: there is a word that is none.
    """
    said: dict[str, Any] = {}
    for word in shlex.split(text):
        key, _, value = word.partition(":")
        if not value:
            raise ValueError(f"{word}: it does not say what it is: write task:{word}.")
        if key in {"state", "ids"}:
            said[key] = (*said.get(key, ()), *value.split(","))
        else:
            said[key] = value
    return of_json(said)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
