"""Rules about who may run now: limits and unique keys hold for the attempts whose lease stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.chaos.evidence import Body, Evidence, Tried

FIVE, EIGHT, TWO = 5, 8, 2


def overshoot(e: Evidence) -> Iterator[str]:
    """P8: more jobs of a limit at once than it allows, by the beginnings and ends that their bodies noted."""
    tenants: dict[str, list[Body]] = defaultdict(list)
    for body in _of(e, "tenanted"):
        tenants[body.more[0]].append(body)
    groups = [("five", FIVE, [*_of(e, "limited")]), ("tenants", EIGHT, [*_of(e, "tenanted")])]
    groups += [(name, TWO, bodies) for name, bodies in tenants.items()]
    for name, allowed, bodies in groups:
        most = _most_at_once(_spans(e, bodies))
        if most > allowed:
            yield f"{most} of {name} ran at once, allowed are {allowed}"


def shared_keys(e: Evidence) -> Iterator[str]:
    """P8: two jobs of one unique key, of which the second began before the first had ended."""
    by_key: dict[str, dict[str, list[Body]]] = defaultdict(lambda: defaultdict(list))
    for body in _of(e, "alone"):
        by_key[body.more[0]][body.job].append(body)
    for key, jobs in by_key.items():
        spans = []
        for id, bodies in jobs.items():
            stood = list(_spans(e, bodies))
            if stood:
                spans.append((min(since for since, _ in stood), max(u for _, u in stood), id))
        spans.sort()
        for (_, ended, first), (began, _, second) in pairwise(spans):
            if began < ended:
                yield f"{second} of {key} began {ended - began:.3f} s before {first} ended"


def _of(e: Evidence, task: str) -> Iterator[Body]:
    return (body for bodies in e.bodies.values() for body in bodies if body.task == task)


def _spans(e: Evidence, bodies: Iterable[Body]) -> Iterator[tuple[float, float]]:
    """Yield from when to when each attempt ran and had its lease; not those of which nobody knows how long."""
    tried = e.ended_otherwise()
    for body in bodies:
        until = _until(body, tried.get((body.job, body.token)))
        if until is not None:
            yield body.began, until


def _until(body: Body, attempt: Tried | None) -> float | None:
    ends = [*([body.ended] if body.ended else []), *([attempt.ended] if attempt else [])]
    return min(ends) if ends else None


def _most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    kept = list(spans)
    # Of an end and a beginning at the same moment the end is first.
    steps = sorted([(since, 1) for since, _ in kept] + [(until, -1) for _, until in kept])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most
