"""The deployment checklist, what it says of workers and of the way to the broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.probing import Absent, probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

UNBOUNDED = define(
    "holdfast.W521",
    title="Nothing bounds the memory of a worker's processes",
    leads_to="Leaks add up over days, until the system kills a worker in the middle of its jobs.",
    repair="CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000 and CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512000 (KiB); and a "
    "limit of memory on the container or the unit.",
)
IN_CLEAR = define(
    "holdfast.W731",
    title="The way to the broker is in clear",
    leads_to="Whoever is in between reads the password and the messages of tasks with durable=False, and can send.",
    repair="Let the broker speak TLS, and write rediss:// (amqps://) with ?ssl_cert_reqs=required; or silence this "
    "where the network is yours alone.",
)
FROM_A_SHELL = define(
    "holdfast.W522",
    title="A worker was started from a shell",
    leads_to="Nobody starts it again when it ends, and it may end with the shell.",
    repair="Let systemd, Supervisor, Compose (restart: unless-stopped) or Kubernetes start it.",
)
NO_COPY = define(
    "holdfast.W732",
    title="Nothing is seen that copies what the database commits",
    leads_to="The ledger is the truth about every job: what is lost with its disk is lost.",
    repair="Archive its log (archive_mode, pgBackRest, WAL-G) or let a standby follow, and try to restore. If your "
    "host takes backups that the server does not know of, silence this.",
)
_PROC = Path("/proc")
_SHELLS = {"bash", "dash", "fish", "ksh", "screen", "sh", "sshd", "tmux: server", "zsh"}


@probe(area="deploy", finds=[UNBOUNDED], live=False, deploy=True)
def pools_are_bounded(look: Look) -> Iterator[Finding]:
    """Whether processes of a prefork pool are replaced some day."""
    conf = look.conf
    bounded = conf.worker_max_tasks_per_child or conf.worker_max_memory_per_child
    if conf.worker_pool == "prefork" and not bounded:
        yield UNBOUNDED.seen(
            "Neither CELERY_WORKER_MAX_TASKS_PER_CHILD nor CELERY_WORKER_MAX_MEMORY_PER_CHILD is set."
        )


@probe(area="deploy", finds=[IN_CLEAR], live=False, deploy=True)
def way_to_the_broker_is_closed(look: Look) -> Iterator[Finding]:
    """Whether the broker is reached by TLS, where it is on another host."""
    for place in look.places:
        if place.host and not (place.tls or place.is_loopback or place.scheme == "sentinel"):
            yield IN_CLEAR.seen(
                f"{place.shown} is on another host, without TLS.", about=place.address
            )


@probe(area="deploy", finds=[FROM_A_SHELL], after=["settings", "tables"], deploy=True)
def workers_have_a_supervisor(look: Look) -> Iterator[Finding]:
    """Whose children the workers on this host are, by the word of the kernel."""
    from holdfast.ledger.reads.worker_reads import workers

    del look
    if not _PROC.exists():
        raise Absent
    for worker in workers():
        # On another host the pid would be somebody else's.
        parent = _parent(worker.pid) if worker.host == socket.gethostname() else ""
        if parent in _SHELLS:
            yield FROM_A_SHELL.seen(
                f"{worker.name} (process {worker.pid}) is a child of {parent}.", about=worker.name
            )


@probe(area="deploy", finds=[NO_COPY], after=["settings", "database"], deploy=True)
def database_is_copied(look: Look) -> Iterator[Finding]:
    """Whether a PostgreSQL archives its log, or somebody follows it."""
    if look.vendor != "postgresql":
        raise Absent
    ((archives, followers),) = look.rows(
        "SELECT current_setting('archive_mode'), (SELECT count(*) FROM pg_replication_slots "
        "WHERE slot_type = 'physical') + (SELECT count(*) FROM pg_stat_replication)"
    )
    if archives == "off" and not followers:
        yield NO_COPY.seen("archive_mode is off, and no standby and no slot for one is there.")


def _parent(pid: int) -> str:
    """Return the name of a process's parent; empty for the first process, which a container begins with."""
    try:
        parent = int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        return "" if parent <= 1 else (_PROC / str(parent) / "comm").read_text().strip()
    except (OSError, IndexError):
        return ""
