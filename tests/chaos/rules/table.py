"""The table of rules, and what a run's record says of each of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.rules import jobs, order, sending, workers

LONG = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name is that of its function with spaces, its promise the first word of the docstring."""

    check: Callable[[Evidence], Iterator[str]]

    @property
    def name(self) -> str:
        return self.check.__name__

    @property
    def promises(self) -> str:
        return (self.check.__doc__ or "").partition(":")[0]

    @property
    def what(self) -> str:
        return (self.check.__doc__ or "").partition(": ")[2]


RULES = tuple(
    map(
        Rule,
        (
            jobs.lost,
            jobs.lost_callbacks,
            jobs.ran_though_rolled_back,
            jobs.duplicated_atomic,
            jobs.stale_writes,
            workers.late_recoveries,
            workers.false_rescues,
            jobs.poison_not_dead,
            jobs.failed_by_a_fault,
            sending.occurrences,
            sending.late_take_overs,
            order.overshoot,
            order.shared_keys,
            sending.raised,
            sending.slow_calls,
            sending.dear_calls,
            sending.late_publications,
            jobs.ran_twice,
            sending.early,
            sending.late,
            workers.lost_by_sigterm,
            jobs.forged_runs,
            jobs.unseen_forgeries,
        ),
    )
)


def judged(e: Evidence) -> dict[str, list[str]]:
    """Return what each rule found, by its name; nothing found means that the promise held."""
    return {rule.name: list(rule.check(e)) for rule in RULES}


def measured(e: Evidence) -> dict[str, Any]:
    """Return the figures of a run, in seconds where they are times."""
    took = [one.seconds for one in workers.recoveries(e)]
    usual, away = sending.calls(e)
    again = jobs.explained(e)
    return {
        "jobs": len(e.rows) or len(e.sent.committed),
        "long_jobs_percent": _long_share(e),
        "effects": sum(len(bodies) for bodies in e.bodies.values()),
        "run_again": dict(sorted(again.items())),
        "recovery": _spread(took) | {"bound": e.bound},
        "take_over": _spread(sending.take_overs(e)) | {"bound": sending.TAKE_OVER},
        "call": _spread([call.took for call in usual]),
        "call_without_redis": _spread([call.took for call in away]),
        "lateness": _spread(sending.lateness(e)),
        "occurrences": len(e.fired),
        "batches": len(e.sent.batches),
        "rolled_back": len(e.sent.undone),
        "poison": sum(row.task == jobs.POISON for row in e.rows.values()),
        "forged": len(e.sent.forged),
        "security_events": e.security_events,
    }


def _long_share(e: Evidence) -> float:
    """Return the percentage of all jobs that had a run of more than half a second."""
    long = sum(
        any(body.ended and body.ended - body.began > LONG for body in bodies)
        for bodies in e.bodies.values()
    )
    return round(100 * long / max(1, len(e.rows) or len(e.sent.committed)), 1)


def _spread(seconds: list[float]) -> dict[str, float | int | None]:
    if not seconds:
        return {"count": 0, "p50": None, "max": None}
    return {
        "count": len(seconds),
        "p50": round(statistics.median(seconds), 3),
        "max": round(max(seconds), 3),
    }
