"""What a deployment consists of: its processes with their queues, sizes and patience, for every tool the same.

All numbers are written once here: the time a stop waits is the same seconds in Compose, Kubernetes, systemd and
Supervisor, and the memory of a container is above what its pool may take before its processes are replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PREFORK, THREADS, ASYNCIO, GEVENT, SOLO = "prefork", "threads", "asyncio", "gevent", "solo"
KINDS = (PREFORK, THREADS, ASYNCIO, GEVENT, SOLO)

ALIVE_FILE, READY_FILE = "/run/holdfast/alive", "/run/holdfast/ready"
"""Where a container has the files that its process touches while it is alive and while it takes jobs: one process, so
one name."""
# Of a container or a dyno, where the network before it decides who comes in.
EVERYWHERE = "0.0.0.0"  # noqa: S104
BROKER, CACHE, DATABASE, DATABASE_PORT = (
    *("CELERY_BROKER_URL", "CACHE_URL"),
    *("POSTGRES_HOST", "POSTGRES_PORT"),
)
VARIABLES = (BROKER, CACHE, DATABASE, DATABASE_PORT)
"""The variables that say where the services of a stack are, by the names they have unless a project has others."""
OUR_SCHEDULER = "holdfast.beat:Scheduler"
ASYNCIO_POOL = "holdfast.worker.aio:TaskPool"
HAND_BACK_SECONDS = 30
"""By how much the end of a pool's last job, its commit and the hand-back of what had not begun come later."""
_LEADERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What one process group may take of its host."""

    cpus: float
    """Cores, as a limit."""
    memory_mib: int
    """MiB, as a limit: the kernel ends what takes more."""

    @property
    def reserved_mib(self) -> int:
        """MiB that a scheduler of containers keeps free for it."""
        return max(128, self.memory_mib // 4)

    @property
    def reserved_millicores(self) -> int:
        """Thousandths of a core that a scheduler of containers keeps free for it."""
        return max(50, int(self.cpus * 250))

    @property
    def millicores(self) -> int:
        return int(self.cpus * 1000)

    @property
    def percent(self) -> int:
        """Cores as systemd counts them: 100 is one."""
        return int(self.cpus * 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One kind of worker: the same queues, the same size, as many of it as are needed."""

    name: str
    """Of the service, the unit, the Deployment and, before the @, of the worker."""
    app: str
    queues: tuple[str, ...]
    kind: str
    concurrency: int
    autoscale: tuple[int, int] | None
    """Most and fewest slots of one worker, where it follows its load itself; in place of the concurrency."""
    max_tasks: int | None
    """Jobs after which a process of a prefork pool is replaced."""
    max_memory_kib: int | None
    """KiB above which it is."""
    log_level: str
    task_events: bool
    """Whether it tells Flower, and whoever else listens to Celery's events, of its jobs."""
    size: Size
    longest_seconds: int | None
    """The longest hard time limit of what it runs; None where nothing has one."""
    grace_seconds: int
    """How long a stop waits for the jobs that run, before it kills."""
    minimum: int
    maximum: int
    """Fewest and most workers of it, where something scales them."""
    per_worker: int
    """Waiting jobs for which there is to be one worker."""

    @property
    def in_children(self) -> bool:
        """Whether its jobs run in processes of their own."""
        return self.kind == PREFORK

    @property
    def gives_back(self) -> bool:
        """Whether its jobs can be interrupted and given back: a thread cannot be."""
        return self.kind in {PREFORK, ASYNCIO}

    @property
    def slots(self) -> int:
        """The most jobs one worker runs at once."""
        return self.autoscale[0] if self.autoscale else self.concurrency

    @property
    def connections(self) -> int:
        """Most connections to the database of one worker: one for each slot, the heartbeat's and the loops'."""
        # Coroutines share the threads that begin and end them.
        return 16 if self.kind == ASYNCIO else self.slots + 3

    @property
    def stop_seconds(self) -> int:
        """How long a stop waits for jobs that run; the rest of the grace period is for giving back what still does."""
        return max(1, self.grace_seconds - HAND_BACK_SECONDS)

    @property
    def at_a_stop(self) -> str:
        """What becomes of running jobs within the grace period, in a sentence for the files."""
        longest = (
            f"The longest job may run {self.longest_seconds} s. " if self.longest_seconds else ""
        )
        return f"{longest}What still runs {self.stop_seconds} s after SIGTERM is given back, and runs again."

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that belong to its command line."""
        # The only way by which Celery takes a pool of others on the command line.
        custom = {"CELERY_CUSTOM_WORKER_POOL": ASYNCIO_POOL} if self.kind == ASYNCIO else {}
        return {**custom, "HOLDFAST_STOP_SECONDS": str(self.stop_seconds)}

    @property
    def command(self) -> tuple[str, ...]:
        """The worker's command line, without what is in its environment."""
        command = ["celery", "--app", self.app, "worker", "--hostname", f"{self.name}@%h"]
        command += ["--queues", ",".join(self.queues)]
        command += ["--pool", "custom" if self.kind == ASYNCIO else self.kind]
        if self.autoscale:
            command += ["--autoscale", f"{self.autoscale[0]},{self.autoscale[1]}"]
        else:
            command += ["--concurrency", str(self.concurrency)]
        if self.in_children and self.max_tasks:
            command += ["--max-tasks-per-child", str(self.max_tasks)]
        if self.in_children and self.max_memory_kib:
            command += ["--max-memory-per-child", str(self.max_memory_kib)]
        command += ["--loglevel", self.log_level]
        if self.task_events:
            command += ["--task-events"]
        # Workers have nothing to tell each other, the ledger knows who lives; and each of these is one reason
        # less for a worker to take nothing after its connection broke.
        return (*command, "--without-gossip", "--without-mingle", "--without-heartbeat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduler:
    """`celery beat`: one leads, the others stand by."""

    app: str
    path: str
    """The scheduler's class, or empty where the settings name it."""
    ours: bool
    """Whether several may run: Holdfast's elect one of them."""
    log_level: str
    size: Size
    grace_seconds: int = 30

    @property
    def replicas(self) -> int:
        return _LEADERS if self.ours else 1

    @property
    def command(self) -> tuple[str, ...]:
        chosen = ("--scheduler", self.path) if self.path else ()
        # No pid file: the supervisor knows its process, and a file outlives kill -9.
        return (
            *("celery", "--app", self.app, "beat", *chosen),
            *("--loglevel", self.log_level, "--pidfile", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The web process."""

    argv: tuple[str, ...]
    """Its command line, in which {port} stands for the port."""
    port: int
    size: Size
    live_path: str
    """Answers 200 while the process serves."""
    ready_path: str
    """Answers 200 while it can do its work."""
    static_url: str
    """Where static files are, with slashes; empty where nobody collects them."""
    static_root: str
    """Folder they are collected into, below the project."""
    console_path: str
    """Where the console is, with slashes; empty if it is nowhere."""
    grace_seconds: int = 30
    connections: int = 20
    """Most connections to the database of one of it."""

    @property
    def command(self) -> tuple[str, ...]:
        return self.command_on(str(self.port))

    def command_on(self, port: str) -> tuple[str, ...]:
        """Return the command line with a port, or with how a platform writes it."""
        return tuple(word.replace("{port}", port) for word in self.argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What the container image is made of."""

    name: str
    python: str
    """Version of Python: 3.12."""
    requirements: str
    """File of requirements, or empty: the project is installed with what it asks for."""
    hashed: bool
    """Whether that file has hashes, which are then required."""
    package: tuple[str, ...]
    """Files and folders that make the project installable; empty where it is only copied."""
    install: str
    """What of it pip installs, and how."""
    collects: bool
    """Whether static files are collected when it is built."""
    build_environment: Mapping[str, str]
    """Variables without which the settings do not load, for that moment only; none of them is a secret."""
    data: str
    """Folder that is kept between starts, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """Prometheus beside the project, and who is told of alerts."""

    command: tuple[str, ...]
    """Of the process that is scraped for all of them."""
    port: int
    token: str
    """The variable, and the file among the secrets, that has the token of the metrics."""
    address: str
    """Where a cluster's Prometheus is asked how much waits."""
    slack: str
    """The channel that reads warnings, or empty."""
    pagerduty: bool
    """Whether somebody is woken for what is critical."""
    webhook: str
    """An address that gets all alerts, or empty; no secret, for it stands in a file."""

    @property
    def chat(self) -> bool:
        """Whether somebody reads what wakes nobody."""
        return bool(self.slack or self.webhook)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Files that Alertmanager reads when it tells somebody."""
        return tuple(
            name
            for name, asked in (
                ("ALERT_SLACK_URL", self.slack),
                ("ALERT_PAGERDUTY_KEY", self.pagerduty),
            )
            if asked
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """All of a project's processes, and what they have in common."""

    name: str
    app: str
    settings: str
    manage: str
    """Path of manage.py, or `-m django` where there is none."""
    web: Web
    pools: tuple[Pool, ...]
    scheduler: Scheduler
    image: Image
    monitoring: Monitoring
    environment: Mapping[str, str]
    """Variables of every process, wherever it runs."""
    variables: Mapping[str, str]
    """By which name the settings read each of VARIABLES; one that they do not read, or that `environment` says, is
    left out."""
    env_file: str
    secrets: tuple[str, ...]
    """Names of variables that come as files or from a store of secrets."""
    folder: str
    """Where the project lies on a host without containers."""
    user: str
    """The user of the host that runs it."""
    host: str
    """The name by which browsers reach it."""
    workspace_settings: str
    """Settings of a developer's machine, for a workspace in the cloud."""
    nix_port_variable: str
    """The variable that has the port of the page where Nix starts it, beside process-compose's own 8080."""

    @property
    def module(self) -> str:
        """The name as a name of files and identifiers."""
        return self.name.replace("-", "_")

    @property
    def migrate(self) -> tuple[str, ...]:
        """The command that brings the database up to date."""
        return ("python", *self.manage.split(), "migrate", "--noinput")

    @property
    def connections(self) -> int:
        """Most connections to the database with the fewest of each worker."""
        return self._connections([pool.minimum for pool in self.pools])

    @property
    def most_connections(self) -> int:
        """The same with the most of each."""
        return self._connections([pool.maximum for pool in self.pools])

    @property
    def max_connections(self) -> int:
        """What a database server of its own is told: a fifth more for people and migrations, never under 200."""
        return max(200, -(-self.connections * 6 // 5 // 50) * 50)

    def _connections(self, workers: Iterable[int]) -> int:
        pools = sum(
            pool.connections * number for pool, number in zip(self.pools, workers, strict=True)
        )
        return pools + 3 * self.scheduler.replicas + 2 * self.web.connections

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(queue for pool in self.pools for queue in pool.queues)
