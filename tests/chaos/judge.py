"""Judges a run by two records that know nothing of each other: the ledger, and the file of effects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.ledger.models import Attempt, Job, Worker
from holdfast.ledger.states import FINAL, Outcome, State
from tests.chaos.tasks import atomic_work
from tests.harness import Site
from tests.project.models import AtomicEffect

ATOMIC = str(atomic_work.name)
# PostgreSQL writes what it answered early within 0.6 s; a claimed job may wait for its slot that long again.
UNDONE = 2.0
LEASE_RAN_OUT = "its worker's lease ran out"


@dataclass(slots=True)
class Run:
    """One run of a job's body, as the body itself noted it."""

    job: str
    token: int
    pid: int
    started: float
    ended: float | None = None


@dataclass(slots=True)
class Judgement:
    """What of the promises was broken, by job."""

    jobs: int
    lost: list[str] = field(default_factory=list)
    duplicated_atomic: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    repeated: int = 0

    @property
    def broken(self) -> bool:
        return bool(self.lost or self.duplicated_atomic or self.unexplained)


@dataclass(frozen=True, slots=True)
class Loss:
    """An attempt that the ledger took from a worker."""

    job: str
    token: int
    outcome: str
    cause: str
    worker_pid: int | None
    began: float
    ended: float


def runs(site: Site) -> dict[str, list[Run]]:
    """Return every run of a body by job, in the order they began."""
    found: dict[str, list[Run]] = defaultdict(list)
    for line in site.effects():
        what, job, token, pid, at, *_ = line.split()
        if what == "start":
            found[job].append(Run(job, int(token), int(pid), float(at)))
            continue
        own = [run for run in found[job] if run.token == int(token) and run.pid == int(pid)]
        own[-1].ended = float(at)
    return found


def judge(
    site: Site, sent: Iterable[str], *, crashes: Sequence[tuple[float, float]] = ()
) -> Judgement:
    """Compare what was sent and committed with what the ledger and the effects say.

    Lost: not in the ledger, not final, or succeeded without its effect. Unexplained: a body ran with the token of
    another run, or of an attempt the ledger knows nothing of. A crash of the database may undo the claims of
    the last moments before it: those jobs run again, which is stated.
    """
    rows = {job.id: job for job in Job.objects.using(site.alias).all()}
    tokens = _tokens(site, rows)
    written = _atomic_effects(site)
    bodies = runs(site)
    found = Judgement(jobs=len(rows))
    found.lost = [id for id in sent if id not in rows]
    for id, job in rows.items():
        done = job.state == State.SUCCEEDED
        over = any(run.ended for run in bodies.get(id, ()))
        if job.state not in FINAL or (done and id in bodies and not over):
            found.lost.append(id)
        if done and job.task.startswith("tests.chaos") and not over:
            found.lost.append(id)
        if job.task == ATOMIC and written.pop(id, 0) != (1 if done else 0):
            found.duplicated_atomic.append(id)
    found.duplicated_atomic += list(written)
    for id, of_job in bodies.items():
        seen = [run.token for run in of_job]
        found.repeated += len(seen) - 1
        unknown = [run for run in of_job if run.token not in tokens.get(id, set())]
        if len(set(seen)) != len(seen) or not all(_undone(run, crashes) for run in unknown):
            found.unexplained.append(id)
    return found


def losses(site: Site) -> list[Loss]:
    """Return every attempt that was lost or handed back, with the process of its worker."""
    return _attempts(site, outcome__in=[Outcome.LOST, Outcome.HANDED_BACK])


def refused_writers(site: Site) -> list[Loss]:
    """Return the atomic attempts that failed because they had held SQLite's one writer for too long."""
    return _attempts(site, outcome=Outcome.FAILED, error__contains="SQLite's only writer")


def _attempts(site: Site, **conditions: object) -> list[Loss]:
    pids = dict(Worker.objects.using(site.alias).values_list("id", "pid"))
    return [
        Loss(
            row.job,
            row.token,
            row.outcome,
            row.error,
            pids.get(row.worker) if row.worker else None,
            _seconds(row.started_at),
            _seconds(row.ended_at),
        )
        for row in Attempt.objects.using(site.alias).filter(**conditions)
    ]


def rescued(site: Site) -> list[Loss]:
    """Return the attempts that the rescuer gave back because a lease had run out."""
    return [loss for loss in losses(site) if loss.cause == LEASE_RAN_OUT]


def _undone(run: Run, crashes: Sequence[tuple[float, float]]) -> bool:
    """Tell whether a run's claim may have been answered and then undone by a crash of the database."""
    return any(began - UNDONE <= run.started <= over + UNDONE for began, over in crashes)


def _tokens(site: Site, rows: Mapping[str, Job]) -> dict[str, set[int]]:
    """Return the tokens of the attempts the ledger knows: those that ended otherwise, and the last one."""
    known: dict[str, set[int]] = defaultdict(set)
    for job, token in Attempt.objects.using(site.alias).values_list("job", "token"):
        known[job].add(token)
    for id, row in rows.items():
        # The end of the last attempt raised the token by one; while it runs it is the token itself.
        known[id].add(row.token - 1 if row.state in FINAL else row.token)
    return known


def _atomic_effects(site: Site) -> dict[str, int]:
    written: dict[str, int] = defaultdict(int)
    for job in AtomicEffect.objects.using(site.alias).values_list("job", flat=True):
        written[job] += 1
    return written


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0
