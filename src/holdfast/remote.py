"""Asking a live worker what it does, and telling it what to do, over Celery's remote control.

    remote.look(worker)                            # memory, slots, what it has taken in
    remote.stacks(worker, actor="ada")             # where its threads, processes, greenlets and coroutines stand
    remote.resize(worker, slots=8, actor="ada")
    remote.shut_down(worker, actor="ada")

Each waits a second or so for the answer and no longer. What is changed or shown of code has its line in the audit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import current_app

from holdfast.exceptions import WorkerNotFound, WorkerSilent
from holdfast.ledger import audit
from holdfast.ledger.reads import worker_reads
from holdfast.ledger.reads.worker_reads import LiveWorker

ANSWER_SECONDS = 1.5
# Processes show their stacks at once, unless they are frozen or wait for a disk.
STACKS_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.05
# What one worker may be told to become. A process takes tens of megabytes, a coroutine next to nothing.
MOST_SLOTS = {"prefork": 256, "thread": 256}
MOST_LIGHT_SLOTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInside:
    """One process of a worker; memory in bytes, None where its system does not say."""

    pid: int
    main: bool
    job: str | None
    """The job it runs."""
    rss: int | None
    """What it has in memory, what it shares with others included."""
    pss: int | None
    """The same with its share of what is shared: these add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a worker has told of itself a moment ago."""

    versions: dict[str, str]
    """Of Holdfast, Celery, Django and Python, where it runs."""
    slots: int
    running: int
    """Jobs that its pool has."""
    claimed_ahead: int
    """Jobs it has claimed for the next slots that become free."""
    fetched: int
    """Tickets it has fetched and not claimed yet."""
    autoscale: tuple[int, int] | None
    """Least and most slots, if it scales by itself."""
    fixed: str
    """Why its pool cannot be made larger or smaller; empty if it can."""
    processes: list[ProcessInside]

    @property
    def memory(self) -> int | None:
        """What all its processes take together, in bytes: shared memory counted once, where the system tells."""
        each = [one.pss if one.pss is not None else one.rss for one in self.processes]
        return sum(size for size in each if size is not None) if any(each) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackShown:
    """Where one thread, process, greenlet or coroutine of a worker stands; never the value of a variable."""

    name: str
    kind: str
    job: str | None
    frames: list[str]
    """File, line and function, the innermost first."""
    cut: bool
    """Whether there are more frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stacks:
    """Where a worker stands."""

    stacks: list[StackShown]
    silent: int
    """Processes of its pool that have not shown themselves in time."""
    reason: str
    """Why none of its processes can; empty if they can."""


def look(worker: UUID) -> Inside:
    """Ask a worker about its memory, its slots and what it has taken in.

    Raises:
        WorkerNotFound: no worker with this id lives.
        WorkerSilent: it does not answer; the message says why that may be.
    """
    told = _ask(_found(worker), "holdfast_look")
    scale = told["autoscale"]
    return Inside(
        versions=told["versions"],
        slots=told["slots"],
        running=told["running"],
        claimed_ahead=told["claimed_ahead"],
        fetched=told["fetched"],
        autoscale=tuple(scale) if scale else None,
        fixed=told["resizable"],
        processes=[ProcessInside(**process) for process in told["processes"]],
    )


def stacks(worker: UUID, *, actor: str) -> Stacks:
    """Ask a worker where each of its threads, processes, greenlets and coroutines stands; the audit gets a line.

    Raises:
        WorkerNotFound: no worker with this id lives.
        WorkerSilent: it does not answer.
    """
    asked = _found(worker)
    told = _ask(asked, "holdfast_stacks")
    audit.note("look at stacks", actor=actor, detail=f"{asked.name} {asked.id}")
    shown = list(told["stacks"])
    of_processes: list[Mapping[str, Any]] = []
    deadline = time.monotonic() + STACKS_SECONDS
    while len(of_processes) < told["processes"]:
        of_processes = _ask(asked, "holdfast_stacks", ask=False)["stacks"]
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_AGAIN_SECONDS)
    return Stacks(
        stacks=[StackShown(**stack) for stack in (*of_processes, *shown)],
        silent=told["processes"] - len(of_processes),
        reason=told["reason"],
    )


def resize(worker: UUID, *, slots: int, actor: str) -> int:
    """Make a worker's pool larger or smaller, until it is started again; return the slots it has then.

    Nothing that runs is stopped. The audit gets a line.

    Raises:
        WorkerNotFound: no worker with this id lives.
        WorkerSilent: it does not answer, or it refuses; the message says why.
        ValueError: so many slots make no sense.
    """
    asked = _found(worker)
    most = next((n for pool, n in MOST_SLOTS.items() if pool in asked.pool), MOST_LIGHT_SLOTS)
    if not 1 <= slots <= most:
        raise ValueError(
            f"{slots} slots are refused: a {asked.pool} pool may have from 1 to {most}."
        )
    told = _ask(asked, "holdfast_resize", worker=str(worker), slots=slots)
    if told["refused"]:
        raise WorkerSilent(f"Worker {asked.name} keeps its slots: {told['refused']}.")
    audit.note("resize", actor=actor, detail=f"{asked.name} {asked.id}: {slots} slots")
    return int(told["slots"])


def shut_down(worker: UUID, *, actor: str) -> None:
    """Have a worker end as after SIGTERM: what runs goes on to its end, the rest is handed back. The audit gets a line.

    Whoever supervises it may start another.

    Raises:
        WorkerNotFound: no worker with this id lives.
        WorkerSilent: it does not answer, or it refuses.
    """
    asked = _found(worker)
    told = _ask(asked, "holdfast_shut_down", worker=str(worker))
    if told["refused"]:
        raise WorkerSilent(f"Worker {asked.name} goes on: {told['refused']}.")
    audit.note("shut down", actor=actor, detail=f"{asked.name} {asked.id}")


def _found(worker: UUID) -> LiveWorker:
    alive = worker_reads.workers()
    found = next((one for one in alive if one.id == worker), None)
    if found is None:
        raise WorkerNotFound(
            f"No worker {worker} lives: it has stopped, it was lost, or it has started anew under another id."
        )
    namesakes = [one for one in alive if one.name == found.name]
    if len(namesakes) > 1:
        raise WorkerSilent(
            f"{len(namesakes)} live workers are called {found.name}, and Celery's remote control cannot tell them "
            "apart: start each with a name of its own (-n)."
        )
    return found


def _broadcast(
    worker: LiveWorker, command: str, arguments: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """Send a command and gather the answer; once more where the broker has closed the connection meanwhile.

    A command that comes twice does no more than once: none of them says "one more".
    """

    def ask() -> Sequence[Mapping[str, Any]]:
        return (
            current_app.control.broadcast(
                command,
                arguments=arguments,
                destination=[worker.name],
                reply=True,
                timeout=ANSWER_SECONDS,
                limit=1,
            )
            or ()
        )

    errors = current_app.connection_for_write().connection_errors
    with suppress(*errors):
        return ask()
    try:
        return ask()
    except errors as error:
        raise WorkerSilent(
            f"Worker {worker.name} was asked, but the connection to the broker broke twice ({error}): whether it "
            "has heard is not known. Look at it before you ask again."
        ) from error


def _ask(worker: LiveWorker, command: str, /, **arguments: Any) -> dict[str, Any]:
    """Send one command to one worker, and wait for what it says."""
    if not current_app.conf.worker_enable_remote_control:
        raise WorkerSilent(
            f"Worker {worker.name} cannot be asked: remote control is off (worker_enable_remote_control = False). It "
            "obeys whoever can write to the broker, so turn it on only where nobody else can."
        )
    publisher = current_app.outbox.publisher
    # First this, which is bounded: Celery's broadcast tries for many seconds.
    if not (publisher.available and publisher.is_reachable()):
        raise WorkerSilent(
            f"Worker {worker.name} cannot be asked: the broker does not answer. What it does is shown as the ledger "
            "has it."
        )
    said = _broadcast(worker, command, arguments)
    told = next((answer[worker.name] for answer in said if worker.name in answer), None)
    if told is None:
        raise WorkerSilent(
            f"Worker {worker.name} has not answered within {ANSWER_SECONDS:g} s: it is frozen, or a body holds its "
            "event loop (pool solo), or it was started with --without-remote-control."
        )
    if "error" in told:
        raise WorkerSilent(
            f"Worker {worker.name} cannot do that: {told['error']}. Does it run the same release of Holdfast?"
        )
    if told.get("worker") != str(worker.id):
        raise WorkerNotFound(
            f"Worker {worker.name} has started anew since: look at it under its new id."
        )
    return dict(told)
