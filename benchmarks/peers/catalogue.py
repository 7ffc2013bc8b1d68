"""Which systems are measured, in which set-up, and what they keep when something dies, by their own documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SYSTEMS = "benchmarks.peers.systems"
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
PREFORK = ("worker", "-P", "prefork", "-c", "2", *QUIET)
DJANGO = "benchmarks.peers.settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system in one set-up, two worker processes unless its name says something else.

    `jobs` is how many are queued for a drain: some seconds of work, and at most so many are sent in one go.
    """

    name: str
    module: str
    workers: Sequence[Sequence[str]]
    keeps: str
    jobs: int
    environment: dict[str, str] = field(default_factory=dict)
    apps: str = ""
    prepare: Sequence[Sequence[str]] = ()
    bulk: bool = False
    on_redis: bool = True
    faults: bool = True

    @property
    def path(self) -> str:
        """Return the module that sends."""
        return f"{SYSTEMS}.{self.module}"

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of its processes beside the addresses."""
        if not self.apps:
            return self.environment
        return self.environment | {"DJANGO_SETTINGS_MODULE": DJANGO, "PEER_APPS": self.apps}


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _module(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


MIGRATE = (_module("django", "migrate", "--verbosity", "0", "--skip-checks"),)
CELERY = _module("celery", "-A", f"{SYSTEMS}.plain_celery", *PREFORK)
HOLDFAST = ("celery", "-A", f"{SYSTEMS}.holdfast_", "worker")
PROCRASTINATE = ("procrastinate", "--app", f"{SYSTEMS}.procrastinate_.app")
DRAMATIQ = _module("dramatiq", f"{SYSTEMS}.dramatiq_", "--processes", "2", "--threads")

ALL = (
    System(
        name="holdfast",
        module="holdfast_",
        workers=[_module("celery", "-A", f"{SYSTEMS}.holdfast_", *PREFORK)],
        keeps="every job: ledger in PostgreSQL",
        jobs=3000,
        apps="holdfast",
        prepare=MIGRATE,
        bulk=True,
    ),
    System(
        name="holdfast, 8 threads",
        module="holdfast_",
        workers=[_module(*HOLDFAST, "-P", "threads", "-c", "8", *QUIET)],
        keeps="every job: ledger in PostgreSQL",
        jobs=3000,
        apps="holdfast",
        prepare=MIGRATE,
        bulk=True,
        faults=False,
    ),
    System(
        name="celery",
        module="plain_celery",
        workers=[CELERY],
        keeps="nothing that a worker has fetched",
        jobs=3000,
        bulk=True,
    ),
    System(
        name="celery, safest",
        module="plain_celery",
        workers=[CELERY],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=3000,
        environment={"PEER_CELERY": "safe"},
    ),
    System(
        name="django-celery-results",
        module="plain_celery",
        workers=[CELERY],
        keeps="results; of jobs what Celery keeps",
        jobs=1000,
        environment={"PEER_CELERY": "django"},
        apps="django_celery_results",
        prepare=MIGRATE,
        faults=False,
    ),
    System(
        name="procrastinate",
        module="procrastinate_",
        workers=[_module(*PROCRASTINATE, "worker", "--concurrency", "1")] * 2,
        keeps="every job: table in PostgreSQL",
        jobs=1000,
        prepare=[_module(*PROCRASTINATE, "schema", "--apply")],
        bulk=True,
        on_redis=False,
    ),
    System(
        name="django-tasks-db",
        module="django_tasks_db_",
        workers=[_module("django", "db_worker")] * 2,
        keeps="jobs that wait: table in PostgreSQL; not those of lost workers",
        jobs=1000,
        apps="django_tasks django_tasks_db" if sys.version_info < (3, 12) else "django_tasks_db",
        prepare=MIGRATE,
        on_redis=False,
    ),
    System(
        name="django-q2, ORM",
        module="django_q2",
        workers=[_module("django", "qcluster")],
        keeps="jobs: table in PostgreSQL",
        jobs=400,
        apps="django_q",
        prepare=MIGRATE,
        on_redis=False,
    ),
    System(
        name="dramatiq",
        module="dramatiq_",
        workers=[[*DRAMATIQ, "1"]],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=1000,
    ),
    System(
        name="dramatiq, 2 x 8 threads",
        module="dramatiq_",
        workers=[[*DRAMATIQ, "8"]],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=3000,
        faults=False,
    ),
    System(
        name="rq",
        module="rq_",
        workers=[[_script("rq"), "worker-pool", "-n", "2", "-q"]],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=250,
        bulk=True,
    ),
    System(
        name="rq, no fork",
        module="rq_",
        workers=[[_script("rq"), "worker-pool", "-n", "2", "-q", "-w", "rq.SimpleWorker"]],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=1000,
        bulk=True,
        faults=False,
    ),
    System(
        name="huey",
        module="huey_",
        workers=[
            _module(
                "huey.bin.huey_consumer", f"{SYSTEMS}.huey_.huey", *("-k", "process", "-w", "2")
            )
        ],
        keeps="nothing that a worker has fetched",
        jobs=5000,
    ),
    System(
        name="taskiq, streams",
        module="taskiq_",
        workers=[[_script("taskiq"), "worker", f"{SYSTEMS}.taskiq_:broker", "--workers", "2"]],
        keeps="jobs of lost workers, while Redis keeps its data",
        jobs=3000,
    ),
)
NAMES = tuple(system.name for system in ALL)
