"""What is known of a run when all is over: the record of what was sent and done, the ledger, and what was broken."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from holdfast.ledger.models import Attempt, Job, Result, Worker
from holdfast.ledger.models.schedules import Occurrence
from holdfast.ledger.models.security import SecurityEvent
from holdfast.ledger.states import State
from tests.chaos.ground import Ground, Harm
from tests.project.models import AtomicEffect


@dataclass(slots=True)
class Body:
    """One run of a job's body, as the body itself noted it; times in seconds since 1970."""

    job: str
    token: int
    pid: int
    began: float
    task: str = "work"
    more: tuple[str, ...] = ()
    ended: float | None = None
    # The process that started this one: of a pool's process its worker.
    parent: int = 0


@dataclass(slots=True)
class Row:
    """A job, as the ledger has it."""

    task: str
    state: State
    token: int
    losses: int = 0
    reason: str = ""
    recorded: float = 0.0
    published: float = 0.0


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that the ledger says ended in another way than in a success."""

    job: str
    token: int
    outcome: str
    error: str
    worker_pid: int | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Fired:
    """A due time of a schedule, and what became of it."""

    schedule: str
    due: float
    outcome: str
    job: str | None
    decided: float


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a producer: the way, when it began, the seconds until it returned, and who called."""

    way: str
    began: float
    took: float
    pid: int = 0


@dataclass(slots=True)
class Sent:
    """The producers' journal: what is certain by the word of those who sent."""

    committed: dict[str, float] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    poison: set[str] = field(default_factory=set)
    batches: set[str] = field(default_factory=set)
    forged: set[str] = field(default_factory=set)
    due: dict[str, tuple[float, float]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Life:
    """A process that the supervisor started: what it is, and from when on it took work until when."""

    kind: str
    pid: int
    ready: float
    ended: float = float("inf")


@dataclass(slots=True)
class Evidence:
    """All of a run. The rules read nothing else, so a test can hand them a doctored one."""

    lease: float
    sweep: float
    max_lost_attempts: int = 3
    sent: Sent = field(default_factory=Sent)
    bodies: dict[str, list[Body]] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    tried: list[Tried] = field(default_factory=list)
    results: dict[str, object] = field(default_factory=dict)
    atomic: Counter[str] = field(default_factory=Counter)
    fired: list[Fired] = field(default_factory=list)
    harms: list[Harm] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    security_events: int = 0

    @property
    def bound(self) -> float:
        """Return the seconds within which P5 wants a lost attempt back."""
        return self.lease + self.sweep

    def harms_to(self, *targets: int | str | None) -> list[Harm]:
        """Return what was done to some processes and services."""
        return [harm for harm in self.harms if harm.target in targets]

    def ended_otherwise(self) -> dict[tuple[str, int], Tried]:
        """Return the attempts by job and token."""
        return {(one.job, one.token): one for one in self.tried}


def read_journal(lines: Iterable[str]) -> Sent:
    """Read what producers and forgers have noted."""
    sent = Sent()
    for line in lines:
        what, id, *rest = line.split()
        match what:
            case "committed":
                sent.committed.setdefault(id, float(rest[-1]))
            case "undone":
                sent.undone.add(id)
            case "poison":
                sent.poison.add(id)
                sent.committed.setdefault(id, float(rest[-1]))
            case "batch":
                sent.batches.add(id)
            case "forged":
                sent.forged.add(id)
            case "due":
                sent.due[id] = (float(rest[0]), float(rest[1]))
            case "call":
                sent.calls.append(Call(id, float(rest[0]), float(rest[1]), int(rest[2])))
            case "raised":
                sent.raised.append(f"{id}: {' '.join(rest[1:])}")
    return sent


def read_bodies(lines: Iterable[str]) -> dict[str, list[Body]]:
    """Return every run of a body by job, in the order in which they began."""
    found: dict[str, list[Body]] = defaultdict(list)
    for line in lines:
        what, job, token, pid, at, task, parent, *more = line.split()
        if what == "start":
            found[job].append(
                Body(job, int(token), int(pid), float(at), task, tuple(more), parent=int(parent))
            )
            continue
        own = [one for one in found[job] if (one.token, one.pid) == (int(token), int(pid))]
        own[-1].ended = float(at)
    return dict(found)


def gather(on: Ground, lives: list[Life]) -> Evidence:
    """Read everything once it is quiet."""
    alias = on.site.alias
    return Evidence(
        lease=on.lease,
        sweep=on.bound - on.lease,
        max_lost_attempts=int(on.site.holdfast["max_lost_attempts"]),
        sent=read_journal(lines_of(on.journal)),
        bodies=read_bodies(on.site.effects()),
        rows=_rows(alias),
        tried=_tried(alias),
        results=_results(alias),
        atomic=Counter(AtomicEffect.objects.using(alias).values_list("job", flat=True)),
        fired=_fired(alias),
        harms=list(on.harms),
        lives=lives,
        security_events=SecurityEvent.objects.using(alias).count(),
    )


def lines_of(path: Path) -> list[str]:
    """Return the lines of a record, none if nobody wrote it."""
    return path.read_text().splitlines() if path.exists() else []


def _rows(alias: str) -> dict[str, Row]:
    fields = ("id", "task", "state", "token", "losses", "reason", "recorded_at", "published_at")
    rows = Job.objects.using(alias).values_list(*fields).iterator()
    return {
        id: Row(task.rpartition(".")[2], State(state), *plain, *map(_seconds, moments))
        for id, task, state, *plain, recorded, published in rows
        for moments in [(recorded, published)]
    }


def _tried(alias: str) -> list[Tried]:
    pids: Mapping[object, int] = dict(Worker.objects.using(alias).values_list("id", "pid"))
    return [
        Tried(
            row.job,
            row.token,
            row.outcome,
            row.error,
            pids.get(row.worker),
            _seconds(row.started_at),
            _seconds(row.ended_at),
        )
        for row in Attempt.objects.using(alias).iterator()
    ]


def _results(alias: str) -> dict[str, object]:
    rows = Result.objects.using(alias).filter(status="SUCCESS", result__isnull=False)
    return {
        id: json.loads(bytes(value or b"null")) for id, value in rows.values_list("id", "result")
    }


def _fired(alias: str) -> list[Fired]:
    rows = Occurrence.objects.using(alias).order_by("schedule", "due_at")
    return [
        Fired(row.schedule, _seconds(row.due_at), row.outcome, row.job, _seconds(row.decided_at))
        for row in rows
    ]


def _seconds(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0
