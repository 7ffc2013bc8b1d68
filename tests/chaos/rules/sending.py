"""Rules about what is sent: calls return in time while Redis is away, and jobs begin neither early nor late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from tests.chaos.evidence import Call, Evidence
from tests.chaos.ground import Harm
from tests.chaos.rules.workers import Ability

# P9: the first call of a process, later ones, and the publication after Redis is back.
FIRST_CALL, LATER_CALL, PUBLISHED = 1.0, 0.05, 10.0
# The calls that one way makes at most, its groups and chains counted as their parts.
CALLS = 6
TAKE_OVER = 15.0
ON_TIME = 1.0
# Recorded, published by the relay, claimed and ended: the token of a job that was published once, at most.
ONE_PUBLICATION = 4
ENOUGH = 20
# Done to what Redis holds: it answers as before.
ANSWERING = frozenset({"wipe broker", "repeat tickets", "shuffle tickets", "deliver late"})
CLOCK = 0.05


def raised(e: Evidence) -> Iterator[str]:
    """P9: a call that raised something else than the database's own refusal."""
    yield from e.sent.raised


def slow_calls(e: Evidence) -> Iterator[str]:
    """P9: a call while Redis was away that took a second longer than the slowest one while it was there."""
    usual, away = calls(e)
    bound = FIRST_CALL + max((call.took for call in usual), default=0.0)
    for call in away:
        if call.took > bound:
            yield f"{call.way} took {call.took:.2f} s while Redis was away, bound {bound:.2f} s"


def dear_calls(e: Evidence) -> Iterator[str]:
    """P9: calls of a way whose median is dearer by 50 ms for each of its calls while Redis is away."""
    usual, away = (_by_way(some) for some in calls(e))
    for way, took in away.items():
        if len(took) < ENOUGH or way not in usual:
            continue
        dearer = median(took) - median(usual[way])
        if dearer > LATER_CALL * CALLS:
            yield f"{way} took {dearer * 1000:.0f} ms longer while Redis was away"


def late_publications(e: Evidence) -> Iterator[str]:
    """P9: a job sent while Redis was away, neither published nor begun 10 s after it was back for good."""
    services = e.harms_to("broker", "database")
    for id, sent in e.sent.committed.items():
        row = e.rows.get(id)
        away = [one for one in e.harms_to("broker") if one.since <= sent <= one.until]
        if row is None or not away or row.task != "work" or id in e.sent.due:
            continue
        if row.token > ONE_PUBLICATION:
            # It was moved or published again, and the ledger knows the last time alone.
            continue
        back = max(one.until for one in away)
        began = min((body.began for body in e.bodies.get(id, ())), default=float("inf"))
        seen = min(began, row.published or float("inf"))
        broken = any(back < one.until and one.since < seen for one in services)
        if seen > back + PUBLISHED and not broken:
            yield f"{id} was published {seen - back:.1f} s after Redis was back"


def calls(e: Evidence) -> tuple[list[Call], list[Call]]:
    """Return the calls while Redis was there and those while it was away, nothing being done to caller or database.

    What is done to others meanwhile keeps the machine busy in both cases.
    """
    own = e.harms_to("database")
    broken = [harm for harm in e.harms_to("broker") if harm.fault not in ANSWERING]
    usual: list[Call] = []
    away: list[Call] = []
    for call in e.sent.calls:
        if not _during([*own, *e.harms_to(call.pid)], call):
            (away if _during(broken, call) else usual).append(call)
    return usual, away


def early(e: Evidence) -> Iterator[str]:
    """P11: a job that began before its time, whatever the clock of its worker says."""
    for id, (due, _) in e.sent.due.items():
        began = min((body.began for body in e.bodies.get(id, ())), default=due)
        if began < due - CLOCK:
            yield f"{id} began {due - began:.3f} s early"


def late(e: Evidence) -> Iterator[str]:
    """P11: half of the jobs whose time came while nothing was done were published more than a second after it."""
    rows = [(e.rows[id].published, due) for id, due in _in_quiet(e) if id in e.rows]
    seconds = [published - due for published, due in rows if published]
    if len(seconds) >= ENOUGH and median(seconds) > ON_TIME:
        yield f"half of {len(seconds)} jobs were published more than {median(seconds):.2f} s late"


def lateness(e: Evidence) -> list[float]:
    """Return how late the jobs with a time began, what waited for a slot included, where nothing was done meanwhile."""
    return [max(0.0, e.bodies[id][0].began - due) for id, due in _in_quiet(e)]


def _in_quiet(e: Evidence) -> Iterator[tuple[str, float]]:
    """Yield the jobs with a time, and the time, where nothing was done for a lease before it nor until they began."""
    for id, (_, due) in e.sent.due.items():
        bodies = e.bodies.get(id)
        if bodies and not any(
            one.since <= bodies[0].began and one.until >= due - e.lease for one in e.harms
        ):
            yield id, due


def occurrences(e: Evidence) -> Iterator[str]:
    """P7: a due time with two jobs, a job of two due times, or one that a schedule that catches up left out."""
    jobs = [one.job for one in e.fired if one.outcome == "fired"]
    yield from (
        f"job {job} is of two occurrences" for job in {j for j in jobs if jobs.count(j) > 1}
    )
    yield from (f"job {job} of an occurrence is not in the ledger" for job in {*jobs} - {*e.rows})
    kept = [one for one in e.fired if one.schedule == "kept"]
    for before, after in pairwise(sorted(kept, key=lambda one: one.due)):
        if abs(after.due - before.due - 1) > CLOCK:
            yield f"kept has nothing between {before.due:.0f} and {after.due:.0f}"
    yield from (f"kept is {one.outcome} at {one.due:.0f}" for one in kept if one.outcome != "fired")


def late_take_overs(e: Evidence) -> Iterator[str]:
    """P7: no scheduler decided for 15 s, though the database and one of them were there all the time."""
    for _, seconds in _silences(e):
        if seconds > TAKE_OVER:
            yield f"nothing was decided for {seconds:.1f} s"


def take_overs(e: Evidence) -> list[float]:
    """Return the seconds without a decision around each blow to a scheduler, while another was able to act."""
    blows = [harm for life in e.lives if life.kind == "scheduler" for harm in e.harms_to(life.pid)]
    return [seconds for span, seconds in _silences(e) if _any_between(blows, *span)]


def _silences(e: Evidence) -> Iterator[tuple[tuple[float, float], float]]:
    """Yield each time of more than two seconds without a decision, and how long of it somebody was able to decide."""
    able = Ability(e, "scheduler", warm=1.0)
    for span in pairwise(sorted({one.decided for one in e.fired})):
        if span[1] - span[0] > 2:
            yield span, able.longest(*span)


def _any_between(blows: list[Harm], since: float, until: float) -> bool:
    return any(one.since <= until and one.until >= since for one in blows)


def _during(harms: list[Harm], call: Call) -> bool:
    return any(one.since <= call.began + call.took and one.until + 1 >= call.began for one in harms)


def _by_way(some: list[Call]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for call in some:
        found[call.way].append(call.took)
    return found
