"""How much memory the processes of workers on this host take, and what bounds it; by what the kernel says of them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.probing import Absent, probe
from holdfast.doctor.wording import lasting

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

MIB = 2**20
GROWN = 200 * MIB
MUCH = 1024 * MIB
# A pace is told from this age on: what a process needs to start is no growth.
SETTLED_SECONDS = 60.0
_PROC = Path("/proc")

GROWS = define(
    "holdfast.W520",
    title="A process of a worker's pool has grown much since it was forked",
    leads_to="It grows until the system or the container kills it, with its job; its jobs run again elsewhere, and "
    "grow there.",
    repair="CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512000 (KiB) replaces such a process between two jobs, "
    "CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000 by count. Then find what keeps memory: tracemalloc in the task.",
)
UNBOUNDED = define(
    "holdfast.W521",
    title="Nothing bounds the memory of a worker's processes",
    leads_to="Leaks add up over days, until the system kills a worker in the middle of its jobs.",
    repair="CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000 and CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512000 (KiB); and a "
    "limit of memory on the container or the unit.",
)


class Process(NamedTuple):
    """A process of a pool."""

    pid: int
    used: int
    """Bytes of memory it has resident, those it shares included."""
    grown: int
    """How many more than its main process."""
    age_seconds: float


@probe(area="workers", finds=[GROWS], after=["settings", "tables"])
def pools_stay_small(look: Look) -> Iterator[Finding]:
    """How much the processes of pools on this host have grown since they were forked, and how fast."""
    from holdfast.ledger.reads.worker_reads import workers

    if not (_PROC / "self" / "statm").exists():
        raise Absent
    bound = int(look.conf.worker_max_memory_per_child or 0) * 1024
    for worker in workers():
        # Under another name the pid would be somebody else's.
        found = list(_pool(worker.pid)) if worker.host == socket.gethostname() else []
        for process in found:
            if process.grown < GROWN or process.used < bound:
                continue
            yield GROWS.seen(
                f"Process {process.pid} of {worker.name} uses {process.used // MIB} MiB, {process.grown // MIB} MiB "
                f"more than its main process, {lasting(process.age_seconds)} after it was forked{_pace(process)}.",
                about=f"{worker.name} {process.pid}",
                worker=worker.name,
                used=process.used,
                grown=process.grown,
            )


@probe(area="deploy", finds=[UNBOUNDED], live=False, deploy=True)
def pools_are_bounded(look: Look) -> Iterator[Finding]:
    """Whether processes of a prefork pool are replaced some day."""
    conf = look.conf
    bounded = conf.worker_max_tasks_per_child or conf.worker_max_memory_per_child
    if conf.worker_pool == "prefork" and not bounded:
        yield UNBOUNDED.seen(
            "Neither CELERY_WORKER_MAX_TASKS_PER_CHILD nor CELERY_WORKER_MAX_MEMORY_PER_CHILD is set."
        )


def _pool(pid: int) -> Iterator[Process]:
    """Yield the children of a main process, as far as the kernel tells; one that ends meanwhile is left out."""
    main = _resident(pid)
    for child in _children(pid):
        used, age = _resident(child), _age(child)
        if main and used and age is not None:
            yield Process(child, used, used - main, age)


def _pace(process: Process) -> str:
    if process.age_seconds < SETTLED_SECONDS:
        return ""
    an_hour = process.grown / process.age_seconds * 3600
    left = (
        f", {MUCH // MIB} MiB in {lasting((MUCH - process.used) / an_hour * 3600)}"
        if process.used < MUCH
        else ""
    )
    return f": {an_hour / MIB:.0f} MiB an hour{left}"


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in (_PROC / str(pid) / "task").glob("*/children"):
        try:
            found += [int(child) for child in file.read_text().split()]
        except OSError:
            continue
    return found


def _resident(pid: int) -> int:
    try:
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _age(pid: int) -> float | None:
    try:
        since_boot = float((_PROC / "uptime").read_text().split()[0])
        # After the name, which may have blanks in it.
        started = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
    return max(0.0, since_boot - int(started) / os.sysconf("SC_CLK_TCK"))
