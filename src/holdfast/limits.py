"""Limits at run time: what they allow and who waits, changed for the whole cluster at once.

`holdfast.limits.get("exports")`, `holdfast.limits.set("exports", concurrency=20, actor="ada")`,
`holdfast.limits.reset("exports", actor="ada")`, `holdfast.limits.why(job)`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from celery import current_app
from celery.result import AsyncResult

from holdfast.exceptions import ConfigurationError, JobNotFound, LimitNotFound
from holdfast.ledger.limiting import limits as ledger
from holdfast.ledger.limiting import line_reads as lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.limiting.limits import LimitRow
from holdfast.policies.limits import stated_by

_SETTABLE = ("concurrency", "per_key", "rate", "burst")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit, what it allows, and how full it is."""

    name: str
    bounds: Bounds
    """What holds now."""
    stated: Bounds
    """What the code says; it is what holds, unless `is_set`."""
    is_set: bool
    """Whether it was set at run time."""
    taken: int
    """Weights of its jobs that are queued or running."""
    waiting: int
    """Jobs that wait at it, counted up to 10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What a job waits for."""

    limit: str
    """The limit that has no room for it."""
    key: str
    bounds: Bounds
    holders: tuple[str, ...]
    """Jobs that are let in at that limit, of its own key where keys are bounded; the first 20."""
    ahead: int
    """Jobs before it in the line of its key, counted up to 10,000."""
    waits_for_token: bool
    """The rate lets nobody in at this moment."""


def get(name: str) -> LimitState:
    """Return a limit as it stands.

    Raises:
        LimitNotFound: neither the ledger nor the code of this process has it.
    """
    return _state(_found(name))


def all() -> list[LimitState]:  # read as `holdfast.limits.all()`
    """Return every limit that the ledger knows or this process's code states, by name."""
    ledger.declare(stated_by(current_app), overwrite=False)
    return [_state(row) for row in ledger.find()]


def set(name: str, *, actor: str = "", **bounds: Any) -> LimitState:  # see above
    """Change what a limit allows, in the whole cluster and whatever the code says, until `reset`.

    It holds for every admission that begins after the commit. A lower bound stops nothing that was let in before.

    Args:
        name: of the limit.
        actor: who does it, for the audit.
        bounds: concurrency, per_key, rate, burst; None takes a bound away, what is left out stays.

    Raises:
        LimitNotFound: there is no such limit.
        ConfigurationError: a bound that cannot be kept; nothing is changed.
    """
    if unknown := sorted(bounds.keys() - _SETTABLE):
        raise ConfigurationError(
            f"limits.set({name!r}) got {', '.join(unknown)}: what can be set is {', '.join(_SETTABLE)}."
        )
    if bounds.get("rate") is not None:
        bounds["rate"] = str(bounds["rate"])
    if "rate" in bounds and bounds["rate"] is None:
        bounds.setdefault("burst", None)
    ledger.override(name, replace(_found(name).bounds, **bounds), actor=actor)
    return get(name)


def reset(name: str, *, actor: str = "") -> LimitState:
    """Let what the code says hold again.

    Raises:
        LimitNotFound: there is no such limit.
    """
    _found(name)
    ledger.override(name, None, actor=actor)
    return get(name)


def why(job: str | AsyncResult[Any]) -> Why | None:
    """Return which limit a job waits at, and behind whom; None if it waits at none.

    Raises:
        JobNotFound: there is no such job.
    """
    job_id = job if isinstance(job, str) else job.id
    if not lines.is_job(job_id):
        raise JobNotFound(
            f"Job {job_id} is not in the ledger: it was never recorded, or deleted after its retention."
        )
    place = lines.place_of(job_id)
    if place is None:
        return None
    rows = ledger.find([place.use.limit])
    bounds = rows[0].bounds if rows else Bounds()
    return Why(
        limit=place.use.limit,
        key=place.use.key,
        bounds=bounds,
        holders=lines.holders(place.use, of_key=bounds.per_key is not None),
        ahead=place.ahead,
        waits_for_token=lines.is_out_of_tokens(place.use.limit),
    )


def as_dict(state: LimitState) -> dict[str, Any]:
    """Return a limit as plain values, for JSON."""
    return asdict(state)


def _found(name: str) -> LimitRow:
    rows = ledger.find([name])
    if not rows:
        stated = stated_by(current_app)
        if name not in stated:
            known = sorted({row.name for row in ledger.find()} | stated.keys())
            raise LimitNotFound(
                f"There is no limit {name!r}; there {'are' if known else 'is none'}"
                f"{': ' + ', '.join(known) if known else ''}. A limit is made by the code: give a task "
                "limit=holdfast.Limit(name, ...), or a queue one in HOLDFAST['queue_limits']."
            )
        ledger.declare({name: stated[name]}, overwrite=False)
        rows = ledger.find([name])
    return rows[0]


def _state(row: LimitRow) -> LimitState:
    taken, waiting = lines.counts(row.name)
    return LimitState(
        name=row.name,
        bounds=row.bounds,
        stated=row.declared,
        is_set=row.override is not None,
        taken=taken,
        waiting=waiting,
    )
