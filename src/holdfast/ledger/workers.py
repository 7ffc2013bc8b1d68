"""Workers' leases and the election of the one that acts for all; every clock here is the database's."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from holdfast.conf import get_settings
from holdfast.ledger import releases
from holdfast.ledger.clocks import ROUNDING, being_ahead, has_lapsed
from holdfast.ledger.database import alias, atomic, connection, dialect
from holdfast.ledger.duty import UPKEEP
from holdfast.ledger.models import Duty, Job, Worker
from holdfast.ledger.records import Beat, LapsedJob
from holdfast.ledger.releases import UNKNOWN, Code
from holdfast.ledger.states import State

__all__ = [
    "UPKEEP",
    "Consuming",
    "Incarnation",
    "declare_lost",
    "lapsed_jobs",
    "leave_duty",
    "note_done",
    "note_growth",
    "note_memory",
    "note_queues",
    "prune_workers",
    "register",
    "renew",
    "retire",
    "take_duty",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One life of a worker process: a new one is taken at every start, and after a lost lease."""

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    concurrency: int
    queues: Sequence[str]
    code: Code = UNKNOWN


@dataclass(frozen=True, slots=True)
class Consuming:
    """How long ago the last canary of a worker came, and since when it is stalled; in seconds, None if never or not."""

    heard_seconds: float | None = None
    stalled_seconds: float | None = None


def register(incarnation: Incarnation) -> None:
    """Give a new incarnation its lease; nothing happens if it has one or had one.

    The answer to a first try may have been lost: whoever asks again renews after this, and hears whether it stands.
    """
    row = Worker(
        id=incarnation.id,
        name=incarnation.name,
        host=incarnation.host,
        pid=incarnation.pid,
        pool=incarnation.pool,
        concurrency=incarnation.concurrency,
        queues=json.dumps(list(incarnation.queues)),
        started_at=Now(),
        lease_until=Now() + _lease(),
        lease_seconds=get_settings().lease_seconds,
        release=incarnation.code.key,
    )
    releases.note(incarnation.code)
    Worker.objects.using(alias()).bulk_create([row], ignore_conflicts=True)


def note_queues(worker: UUID, queues: Sequence[str], *, slots: int) -> None:
    """Note from which queues a worker takes jobs from now on, none while it is stopping, and in how many slots."""
    _workers().filter(id=worker).update(queues=json.dumps(list(queues)), concurrency=slots)


def renew(worker: UUID, *, consuming: Consuming = Consuming()) -> Beat | None:
    """Renew a worker's lease, and note whether it consumes; return what the ledger has to tell it, or None if lost."""
    return dialect().renew(
        worker,
        seconds=get_settings().lease_seconds,
        heard=consuming.heard_seconds,
        stalled=consuming.stalled_seconds,
    )


def note_growth(worker: UUID, growth: str) -> None:
    """Note how the memory of a worker's processes grows, as JSON; empty if it does not."""
    _workers().filter(id=worker).update(growth=growth)


def note_memory(worker: UUID, *, together: int, largest: int) -> None:
    """Note how many bytes a worker's processes have in memory together, and the largest of them."""
    _workers().filter(id=worker).update(memory_bytes=together, largest_bytes=largest)


def retire(worker: UUID) -> None:
    """Note that a worker stopped in order: whatever it still held is free at once."""
    _workers().filter(id=worker, stopped_at=None).update(stopped_at=Now())


def declare_lost(*, now: datetime | None = None, watched: float = math.inf) -> int:
    """Take the lease of every worker that let it run out; from now on none of them can claim or renew.

    Args:
        now: the database's clock, as the caller found it in step; set since then, it condemns nobody.
        watched: for how many seconds the caller has found it in step, see `has_lapsed`.
    """
    standing = _workers().filter(lost_at=None, stopped_at=None)
    # A look takes no lock: on SQLite even an update that changes nothing must become the one writer.
    rows = standing.annotate(asked_at=Now()).values_list(
        "id", "lease_until", "lease_seconds", "asked_at"
    )
    return sum(
        # As it was read: who has renewed it meanwhile lives.
        standing.filter(id=id, lease_until__range=(until - ROUNDING, until + ROUNDING)).update(
            lost_at=Now()
        )
        for id, until, seconds, asked_at in list(rows)
        if has_lapsed(until, seconds, moments=(now or asked_at, asked_at), watched=watched)
    )


def lapsed_jobs(*, limit: int) -> tuple[list[LapsedJob], dict[str, UUID | None]]:
    """Return running jobs whose worker is lost, stopped or unknown."""
    standing = Worker.objects.using(alias()).filter(
        id=OuterRef("worker"), lost_at=None, stopped_at=None
    )
    rows = (
        Job.objects.using(alias())
        .filter(state=State.RUNNING)
        .filter(~Exists(standing))
        .values_list("id", "token", "ahead", "losses", "worker")[:limit]
    )
    lapsed = [
        LapsedJob(id=id, token=token, ahead=ahead, losses=losses)
        for id, token, ahead, losses, _ in rows
    ]
    return lapsed, {row[0]: row[4] for row in rows}


def take_duty(name: str, worker: UUID, *, seconds: float) -> bool:
    """Become or stay the one that acts; the others try again when this one stops renewing."""
    until = Now() + timedelta(seconds=seconds)
    duty = Duty.objects.using(alias()).filter(name=name)
    # One that ends too late was taken before the clock was set back; its holder, if it lives, renews it at once.
    ahead = being_ahead(connection().vendor, "until", "seconds")
    mine = duty.filter(Q(holder=worker) | Q(holder=None) | Q(until__lt=Now()) | Q(ahead))
    if mine.exists():
        return bool(mine.update(holder=worker, until=until, seconds=seconds))
    if duty.exists():
        return False
    try:
        with atomic():
            Duty.objects.using(alias()).create(
                name=name, holder=worker, until=until, seconds=seconds
            )
    except IntegrityError:  # somebody else was first
        return False
    return True


def note_done(name: str, worker: UUID) -> None:
    """Note that whoever has the duty has done it from beginning to end."""
    Duty.objects.using(alias()).filter(name=name, holder=worker).update(done_at=Now())


def leave_duty(name: str, worker: UUID) -> None:
    """Free the duty, so that the next worker need not wait for the lease to run out."""
    Duty.objects.using(alias()).filter(name=name, holder=worker).update(holder=None)


def prune_workers(*, older_than: timedelta) -> int:
    """Forget workers long gone: none that only has not renewed its lease since the clock was set forward."""
    gone = (
        _workers().filter(lease_until__lt=Now() - older_than).exclude(lost_at=None, stopped_at=None)
    )
    held = Job.objects.using(alias()).filter(worker=OuterRef("id"), state=State.RUNNING)
    deleted, _ = gone.filter(~Exists(held)).delete()
    return deleted


def _workers() -> QuerySet[Worker]:
    return Worker.objects.using(alias())


def _lease() -> timedelta:
    return timedelta(seconds=get_settings().lease_seconds)
