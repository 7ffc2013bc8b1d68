"""Rules about workers: what they lose comes back in time, nothing is taken from those to whom nothing was done."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.ledger.states import Outcome
from tests.chaos.evidence import Evidence, Life, Tried
from tests.chaos.ground import SHUTS_OUT, Harm
from tests.chaos.judge import LEASE_RAN_OUT
from tests.chaos.rules.jobs import POISON

# Harms that ask a worker to leave: it must do so without a loss.
GRACEFUL = frozenset({"end worker"})
# Of these the worker beats on until it is gone: it is lost at their end.
LEAVING = GRACEFUL | {"rush worker", "quit worker"}
STEP = 0.05


@dataclass(frozen=True, slots=True)
class Recovery:
    """A lost attempt that came back, and the seconds it took while somebody was able to see to it."""

    job: str
    fault: str
    seconds: float


def false_rescues(e: Evidence) -> Iterator[str]:
    """P5: an attempt lost by a worker to which nothing was done, and which was not shut out of the database."""
    for attempt in _lost(e):
        shut_out = any(
            harm.fault == SHUTS_OUT and _meets(e, harm, attempt) for harm in e.harms_to("database")
        )
        if not shut_out and not _is_poison(e, attempt) and not _done(e, attempt):
            yield f"{attempt.job} was lost by {attempt.worker_pid}: {attempt.error}"


def lost_by_sigterm(e: Evidence) -> Iterator[str]:
    """P12: an attempt lost by a worker that was only asked to leave, the database being there."""
    for attempt in _lost(e):
        done = _done(e, attempt)
        away = [one for one in e.harms_to("database") if _meets(e, one, attempt)]
        asked = bool(done) and {harm.fault for harm in done} <= GRACEFUL
        if asked and not away and not _is_poison(e, attempt):
            yield f"{attempt.job} was lost by {attempt.worker_pid}, which got SIGTERM: {attempt.error}"


def late_recoveries(e: Evidence) -> Iterator[str]:
    """P5: a lost attempt that was not back after a lease and a sweep, though the database and a worker were there."""
    for one in recoveries(e):
        if one.seconds > e.bound:
            yield f"{one.job} was back {one.seconds:.2f} s after {one.fault}, bound {e.bound:g} s"


def recoveries(e: Evidence) -> list[Recovery]:
    """Return every attempt that was rescued because its worker's lease had run out.

    The seconds are the longest time, from the blow on, in which a worker was able to rescue without a break and the
    attempt was not back. A worker that was asked to leave keeps its lease until it is gone. Nobody is able while the
    database is away and one lease after, as is stated, nor in his own first lease, nor while something is done to him.
    """
    able = Ability(e, "worker")
    found = []
    for attempt in _lost(e):
        done = [harm for harm in _done(e, attempt) if harm.since <= attempt.ended]
        if attempt.error != LEASE_RAN_OUT or not done:
            continue
        blow = max(done, key=lambda harm: harm.since)
        since = blow.until if blow.fault in LEAVING else blow.since
        found.append(Recovery(attempt.job, blow.fault, able.longest(since, attempt.ended)))
    return found


class Ability:
    """When at least one process of a kind could do what all rely on."""

    def __init__(self, e: Evidence, kind: str, *, warm: float | None = None) -> None:
        """Take the seconds after a start or a disturbance until a process counts as able; by default a lease."""
        self.warm = e.lease if warm is None else warm
        self.away = e.harms_to("database")
        self.lives = [
            (life, e.harms_to(life.pid))
            for life in sorted(e.lives, key=lambda life: life.ready)
            if life.kind == kind
        ]
        self.ready = [life.ready for life, _ in self.lives]

    def at(self, moment: float) -> bool:
        """Tell whether one of them is able now."""
        if self._disturbed(self.away, moment):
            return False
        old_enough = bisect_right(self.ready, moment - self.warm)
        return any(
            self._is_able(life, harms, moment) for life, harms in reversed(self.lives[:old_enough])
        )

    def longest(self, since: float, until: float) -> float:
        """Return the seconds of the longest stretch between two moments in which somebody was always able."""
        longest = now = 0.0
        steps = int(max(0.0, until - since) / STEP) + 1
        for number in range(steps):
            moment = since + number * STEP
            now = now + min(STEP, max(0.0, until - moment)) if self.at(moment) else 0.0
            longest = max(longest, now)
        return longest

    def _is_able(self, life: Life, harms: list[Harm], moment: float) -> bool:
        return moment < life.ended and not self._disturbed(harms, moment)

    def _disturbed(self, harms: list[Harm], moment: float) -> bool:
        return any(harm.since <= moment <= harm.until + self.warm for harm in harms)


def _lost(e: Evidence) -> Iterator[Tried]:
    return (one for one in e.tried if one.outcome == Outcome.LOST)


def _is_poison(e: Evidence, attempt: Tried) -> bool:
    """Tell whether an attempt was lost because its own body kills its process."""
    row = e.rows.get(attempt.job)
    return row is not None and row.task == POISON


def _done(e: Evidence, attempt: Tried) -> list[Harm]:
    """Return what was done to the worker of an attempt while it stood, its lease included."""
    return [one for one in e.harms_to(attempt.worker_pid) if _meets(e, one, attempt)]


def _meets(e: Evidence, harm: Harm, attempt: Tried) -> bool:
    return harm.since <= attempt.ended and harm.until + e.bound >= attempt.began
