"""Workers: who lives, who was lost, what each does, and what it tells when it is asked; ending and resizing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from celery import current_app
from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from holdfast import remote
from holdfast.console import code_skew, links
from holdfast.console.access import ADMINISTER
from holdfast.console.code_skew import CodeShown
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.exceptions import WorkerNotFound, WorkerSilent
from holdfast.ledger.reads import worker_reads
from holdfast.ledger.reads.worker_reads import GoneWorker, LiveWorker, RunningJob
from holdfast.remote import Inside, StackShown

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNow:
    """A worker whose lease stands."""

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    state: str
    """serving, stalled (it takes nothing though it should) or stopping."""
    slots: int
    busy: int
    """Slots that have a job."""
    claimed: int
    """Jobs it has claimed: those that run, and those that wait in it for the next free slot."""
    queues: list[str]
    started_at: datetime
    beat_seconds: float | None
    """How long ago it renewed its lease."""
    heard_seconds: float | None
    """How long ago a canary of it came last; None if none has."""
    stalled_seconds: float | None
    code: CodeShown


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersPage:
    """The workers that live, and those that were lost in the last day."""

    workers: list[WorkerNow]
    lost: list[GoneWorker]
    slots: int
    busy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPage:
    """One worker, and the jobs it has claimed, by the ledger."""

    worker: WorkerNow | None
    """None if it is gone."""
    gone: GoneWorker | None
    jobs: list[RunningJob]
    """The longest first, 200 at most."""
    can_ask: bool
    """Whether remote control is on in the settings, so that it can be asked about itself."""

    @property
    def jobs_url(self) -> str:
        """The list of all jobs it has run or runs."""
        return links.jobs(worker=self.title)

    @property
    def title(self) -> str:
        """What the page is called."""
        found = self.worker or self.gone
        return found.name if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsidePage:
    """What a worker has told of itself when it was asked a moment ago."""

    id: UUID
    inside: Inside | None
    memory: int | None
    """What all its processes take together, in bytes."""
    silent: str
    """Why it has told nothing; empty if it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StacksPage:
    """Where the threads, processes, greenlets and coroutines of a worker stood a moment ago."""

    id: UUID
    name: str
    stacks: list[StackShown]
    silent: int
    """Processes that have not shown themselves in time: frozen, or waiting for a disk."""
    reason: str
    """Why none of its processes can; empty if they can."""

    @property
    def title(self) -> str:
        """What the page is called."""
        return _("Stacks of %(name)s") % {"name": self.name}


@page("workers/", name="workers", title=gettext_lazy("Workers"), template="holdfast/workers.html")
def workers(_request: HttpRequest) -> WorkersPage:
    """Show the workers that live, and those that were lost in the last day."""
    alive = worker_reads.workers()
    claimed = worker_reads.running_by_worker()
    codes = code_skew.of_workers(alive)
    rows = [_row(worker, claimed.get(worker.id, 0), codes[worker.id]) for worker in alive]
    return WorkersPage(
        workers=rows,
        lost=worker_reads.gone(within=DAY),
        slots=sum(row.slots for row in rows),
        busy=sum(row.busy for row in rows),
    )


@page(
    "workers/<uuid:worker>/",
    name="worker",
    title=gettext_lazy("Worker"),
    template="holdfast/worker.html",
)
def worker(_request: HttpRequest, worker: UUID) -> WorkerPage:
    """Show one worker and the jobs it has claimed."""
    found = worker_reads.find(worker)
    if found is None:
        raise Http404(
            _("No worker %(id)s is known: those that are gone are forgotten after a day.")
            % {"id": worker}
        )
    jobs = worker_reads.jobs_of(worker)
    alive = isinstance(found, LiveWorker)
    claimed = worker_reads.running_by_worker().get(worker, 0)
    now = None
    if isinstance(found, LiveWorker):
        now = _row(found, claimed, code_skew.of_workers([found])[found.id])
    return WorkerPage(
        worker=now,
        gone=found if isinstance(found, GoneWorker) else None,
        jobs=jobs,
        can_ask=alive and bool(current_app.conf.worker_enable_remote_control),
    )


@page(
    "workers/<uuid:worker>/inside/",
    name="worker-inside",
    title=gettext_lazy("What the worker tells"),
    template="holdfast/worker_inside.html",
)
def inside(_request: HttpRequest, worker: UUID) -> InsidePage:
    """Ask a worker about its memory, its slots and what it has taken in; waits a second or two for the answer."""
    try:
        told = remote.look(worker)
    except (WorkerSilent, WorkerNotFound) as error:
        return InsidePage(id=worker, inside=None, memory=None, silent=str(error))
    return InsidePage(id=worker, inside=told, memory=told.memory, silent="")


@page(
    "workers/<uuid:worker>/stacks/",
    name="worker-stacks",
    title=gettext_lazy("Stacks"),
    template="holdfast/worker_stacks.html",
    needs=ADMINISTER,
)
def stacks(request: HttpRequest, worker: UUID) -> StacksPage:
    """Ask a worker where it stands; each asking is a line in the audit, and no value of a variable is shown."""
    found = worker_reads.find(worker)
    told = remote.stacks(worker, actor=actor(request))
    return StacksPage(
        id=worker,
        name=found.name if found else str(worker),
        stacks=told.stacks,
        silent=told.silent,
        reason=told.reason,
    )


class ResizeForm(forms.Form):
    """How large a pool is to be."""

    slots = forms.IntegerField(
        min_value=1,
        label=gettext_lazy("Slots"),
        help_text=gettext_lazy("How many jobs it may run at once, until it is started again."),
    )


def _slots(_request: HttpRequest, worker: UUID) -> dict[str, Any]:
    found = worker_reads.find(worker)
    return {"slots": found.slots} if found else {}


@action(
    "workers/<uuid:worker>/resize/",
    name="worker-resize",
    label=gettext_lazy("Change slots"),
    needs=ADMINISTER,
    form=ResizeForm,
    initial=_slots,
    explains=gettext_lazy(
        "Makes the pool larger or smaller. Nothing that runs is stopped: only idle slots can go."
    ),
)
def resize(request: HttpRequest, asked: Mapping[str, Any], worker: UUID) -> Done:
    """Make the pool of a worker larger or smaller."""
    try:
        slots = remote.resize(worker, slots=asked["slots"], actor=actor(request))
    except ValueError as error:
        raise Refused(str(error)) from error
    return Done(
        _("The worker has %(slots)s slots.") % {"slots": slots},
        to=_at(worker),
        data={"slots": slots},
    )


@action(
    "workers/<uuid:worker>/shut-down/",
    name="worker-shut-down",
    label=gettext_lazy("Shut down"),
    needs=ADMINISTER,
    explains=gettext_lazy(
        "Ends the worker as SIGTERM does: what runs goes on to its end, the rest is handed back. Whoever supervises it "
        "may start another."
    ),
)
def shut_down(request: HttpRequest, worker: UUID) -> Done:
    """End a worker in order."""
    remote.shut_down(worker, actor=actor(request))
    return Done(_("The worker ends once what it runs is over."), to=reverse("holdfast:workers"))


def _row(found: LiveWorker, claimed: int, code: CodeShown) -> WorkerNow:
    return WorkerNow(
        id=found.id,
        name=found.name,
        host=found.host,
        pid=found.pid,
        pool=found.pool,
        state=found.state,
        slots=found.slots,
        busy=min(claimed, found.slots),
        claimed=claimed,
        queues=found.queues,
        started_at=found.started_at,
        beat_seconds=found.beat_seconds,
        heard_seconds=found.heard_seconds,
        stalled_seconds=found.stalled_seconds,
        code=code,
    )


def _at(worker: UUID) -> str:
    where: str = reverse("holdfast:worker", args=[worker])
    return where
