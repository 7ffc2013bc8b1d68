"""What the record alone says of a run, without any ledger: the same figures for Holdfast and for plain Celery."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.chaos.evidence import Body, Evidence

# Harms that end a body half-way.
BLOWS = frozenset({"kill child", "kill worker", "rush worker", "kill main process", "end child"})


def outside(e: Evidence) -> dict[str, Any]:
    """Return what became of the jobs whose senders were told that they are sent, by the effects of their bodies.

    Lost: no body of it ever ended. Duplicated: more bodies than one ended; of atomic jobs: more rows than one.
    """
    ended = {
        id: sum(body.ended is not None for body in e.bodies.get(id, ())) for id in e.sent.committed
    }
    took = sorted(_recoveries(e))
    return {
        "jobs": len(e.sent.committed),
        "lost": sum(not times for id, times in ended.items() if id not in e.sent.poison),
        "duplicated": sum(max(0, times - 1) for times in ended.values()),
        "duplicated_atomic": sum(rows - 1 for rows in e.atomic.values() if rows > 1),
        "calls_refused": len(e.sent.raised),
        "recovered": len(took),
        "recovery_p50": round(statistics.median(took), 2) if took else None,
        "recovery_max": round(took[-1], 2) if took else None,
    }


def _recoveries(e: Evidence) -> Iterator[float]:
    """Yield the seconds from a blow that ended a body to the moment its job began again."""
    for bodies in e.bodies.values():
        for body, again in pairwise(bodies):
            blows = _blows(e, body, again)
            # One that asks for a retry has not ended either, and the poison never does.
            if body.ended is None and body.task not in {"flaky", "poison"} and blows:
                yield again.began - blows[0]


def _blows(e: Evidence, body: Body, again: Body) -> list[float]:
    """Return when a blow fell between two bodies of a job, the first one first."""
    return [
        harm.since
        for harm in e.harms
        if harm.fault in BLOWS
        and harm.target in {body.pid, body.parent}
        and body.began <= harm.since <= again.began
    ]
