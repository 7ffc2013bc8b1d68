"""Rules about single jobs: none is lost, none runs that may not, and what happens once happens once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from holdfast.ledger.states import FINAL, Outcome, Reason, State
from tests.chaos.evidence import Body, Evidence, Tried
from tests.chaos.ground import CRASH
from tests.chaos.judge import UNDONE

FROZEN = frozenset({"stop worker", "stop child"})
ONLY_WRITER = "SQLite's only writer"
# Its own task kills the process: what else is done to its worker does not matter.
POISON = "poison"


def lost(e: Evidence) -> Iterator[str]:
    """P1: committed and not in the ledger, not final, or a success whose body has not ended."""
    for id in e.sent.committed:
        if id not in e.rows:
            yield f"{id} was committed and is not in the ledger"
    for id, row in e.rows.items():
        if row.state not in FINAL:
            yield f"{id} {row.task} is {row.state.name.lower()}"
        elif row.state is State.SUCCEEDED and not any(b.ended for b in e.bodies.get(id, ())):
            yield f"{id} {row.task} succeeded, and its body never ended"


def lost_callbacks(e: Evidence) -> Iterator[str]:
    """P1: a batch whose callback did not run, or ran as two jobs."""
    told: dict[str, set[str]] = {batch: set() for batch in e.sent.batches}
    for body in _bodies(e, "closing"):
        told.setdefault(body.more[0], set()).add(body.job)
    for batch, jobs in told.items():
        if len(jobs) != 1:
            yield f"batch {batch} was closed by {len(jobs)} jobs"


def ran_though_rolled_back(e: Evidence) -> Iterator[str]:
    """P2: a job of a transaction that was undone, in the ledger or in the record."""
    yield from sorted(e.sent.undone & {*e.rows, *e.bodies})


def duplicated_atomic(e: Evidence) -> Iterator[str]:
    """P3: an atomic job with more rows than one, none for a success, or one for something else."""
    for id, row in e.rows.items():
        wanted = 1 if row.task == "atomic_work" and row.state is State.SUCCEEDED else 0
        if e.atomic[id] != wanted:
            yield f"{id} {row.task} {row.state.name.lower()} has {e.atomic[id]} rows"
    yield from (f"{id} is not in the ledger and has a row" for id in e.atomic.keys() - e.rows)


def stale_writes(e: Evidence) -> Iterator[str]:
    """P4: a result, or a successor, of another attempt than the one that ended the job."""
    for id, value in e.results.items():
        row = e.rows.get(id)
        if row and row.task == "step" and value != f"{id}:{row.token - 1}":
            yield f"{id} has the result {value} and ended with token {row.token - 1}"
    for body in _bodies(e, "step"):
        for before in body.more:
            id, _, token = before.rpartition(":")
            row = e.rows.get(id)
            if row and row.state is State.SUCCEEDED and int(token) != row.token - 1:
                yield f"{body.job} was sent by token {token} of {id}, which ended with {row.token - 1}"


def poison_not_dead(e: Evidence) -> Iterator[str]:
    """P6: a job that kills its process each time and is not dead after as many losses as the setting says."""
    tried = e.ended_otherwise()
    for id, row in e.rows.items():
        if row.task != POISON:
            continue
        most = e.max_lost_attempts
        if (row.state, row.reason) != (State.DEAD, Reason.POISON):
            last = tried.get((id, row.token - 1))
            yield f"{id} is {row.state.name.lower()} {row.reason}: {last.error if last else None}"
        elif not most <= row.losses <= most + 1:
            yield f"{id} is dead after {row.losses} losses, not {most}"


def failed_by_a_fault(e: Evidence) -> Iterator[str]:
    """P1, P6, P12: a job that did not succeed, though no task but the poison fails by itself."""
    tried = e.ended_otherwise()
    for id, row in e.rows.items():
        if row.state not in FINAL or row.state is State.SUCCEEDED or row.task == POISON:
            continue
        last = tried.get((id, row.token - 1))
        if last is None or not _was_frozen(e, last):
            error = last.error if last else None
            yield f"{id} {row.task} is {row.state.name.lower()} {row.reason}: {error}"


def ran_twice(e: Evidence) -> Iterator[str]:
    """P10: two bodies with one token, a token nobody gave out, or a body again with no fault to explain it."""
    tried = e.ended_otherwise()
    for id, bodies in e.bodies.items():
        tokens = Counter(body.token for body in bodies)
        yield from (f"{id} ran {n} times as token {t}" for t, n in tokens.items() if n > 1)
        row = e.rows.get(id)
        last = row.token - 1 if row and row.state in FINAL else None
        for number, body in enumerate(bodies):
            attempt = tried.get((id, body.token))
            if attempt is None and body.token != last and not _undone(e, body):
                yield f"{id} ran as token {body.token}, which the ledger does not know"
            if attempt and number < len(bodies) - 1 and explanation(e, attempt, body) is None:
                yield f"{id} ran again after token {body.token}: {attempt.outcome} {attempt.error}"


def forged_runs(e: Evidence) -> Iterator[str]:
    """P13: a body of a made-up id, or of another task than was recorded."""
    yield from sorted(e.sent.forged & {*e.rows, *e.bodies})
    for id, bodies in e.bodies.items():
        row = e.rows.get(id)
        if row and any(body.task != row.task for body in bodies):
            yield f"{id} was recorded as {row.task} and ran as {bodies[0].task}"


def unseen_forgeries(e: Evidence) -> Iterator[str]:
    """P13: messages were forged all the time, and not one security event tells of it."""
    if len(e.sent.forged) >= 20 and not e.security_events:
        yield f"{len(e.sent.forged)} messages were forged, and there is no security event"


def explanation(e: Evidence, attempt: Tried, body: Body) -> str | None:
    """Return what explains that a body ran again after this attempt: a wish of its own, or the name of a fault."""
    if attempt.outcome == Outcome.RETRIED:
        return "retry"
    if body.task == POISON:
        return POISON
    done = [
        harm
        for harm in e.harms_to(attempt.worker_pid, "database")
        if harm.since <= attempt.ended and harm.until + e.bound >= attempt.began
    ]
    return max(done, key=lambda harm: harm.since).fault if done else None


def explained(e: Evidence) -> Counter[str]:
    """Count the bodies that ran again, by the fault that explains it; retries are no repetition."""
    tried = e.ended_otherwise()
    found: Counter[str] = Counter()
    for id, bodies in e.bodies.items():
        for body in bodies[:-1]:
            attempt = tried.get((id, body.token))
            why = CRASH if attempt is None else explanation(e, attempt, body)
            found[why or "nothing"] += 1
    for wish in ("retry", POISON):
        found.pop(wish, None)
    return found


def _bodies(e: Evidence, task: str) -> Iterator[Body]:
    return (body for bodies in e.bodies.values() for body in bodies if body.task == task)


def _undone(e: Evidence, body: Body) -> bool:
    """Tell whether a claim may have been answered and then undone by a crash of the database, as is stated."""
    crashes = [harm for harm in e.harms_to("database") if harm.fault == CRASH]
    return any(one.since - UNDONE <= body.began <= one.until + UNDONE for one in crashes)


def _was_frozen(e: Evidence, attempt: Tried) -> bool:
    """Tell whether an atomic body held SQLite's one writer only because it was frozen: it fails, as is stated."""
    frozen = any(harm.fault in FROZEN for harm in e.harms_to(attempt.worker_pid))
    return frozen and attempt.outcome == Outcome.FAILED and ONLY_WRITER in attempt.error
