"""The soak of plain Celery: the same crew, load and faults, judged by the record alone; runs in the soak's process."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter
from typing import Any

import redis

from tests.chaos.campaign import TOO_MANY, Soak, say
from tests.chaos.crew import SLOTS, Crew
from tests.chaos.evidence import Evidence, lines_of, read_bodies, read_journal
from tests.chaos.faults import Fault, Scene
from tests.chaos.ground import Recipe, lasting
from tests.chaos.work import Work
from tests.harness import FLAGS
from tests.processes import SiteProcess, WorkerProcess
from tests.project.models import AtomicEffect

SETTINGS = "tests.chaos.plain.settings"
HIT = frozenset({"worker", "producer", "broker", "database"})
# These start processes or send jobs of Holdfast's, lock its table, or deliver twice what Redis delivers once.
FOREIGN = frozenset(
    {
        *("roll workers", "replace workers", "wrong clock of worker", "wrong clock of producer"),
        *("starve child", "lock jobs", "repeat tickets", "deliver late"),
    }
)
LOOK = 2.0
QUEUE = "celery"
# A worker that was asked to leave and is still there after so many seconds is killed: twice its soft shutdown.
GRACE = 20.0
# What has not run so many seconds after the last one that did, two and a half visibility timeouts, never will.
PATIENCE = 37.5


class PlainWork(Work):
    """Who holds work, by the record: there is no ledger to ask."""

    def claims(self, worker: WorkerProcess) -> int:
        """Count the processes of a worker in which a body runs."""
        return len(self.bodies(worker))

    def running(self) -> int:
        """Count the processes in which a body runs."""
        return len(self.bodies())


class PlainWorker(WorkerProcess):
    """A worker whose supervisor ends what has not left after a grace, and what its main process leaves behind."""

    def __init__(self, *arguments: Any, overdue: list[int], **options: Any) -> None:
        """Take the list that gets the pids of those that were killed because they did not leave."""
        super().__init__(*arguments, **options)
        self._overdue = overdue

    def wait(self, timeout: float = GRACE) -> int:
        """Wait for the end of one that was asked to leave, as long as the grace is; an error at its end is its own."""
        try:
            super().wait(min(timeout, GRACE))
            return 0
        except AssertionError:
            self._overdue.append(self.pid)
            return -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.signal_group(signal.SIGKILL)
            self.popen.wait(10)

    def stop(self, timeout: float = GRACE) -> None:
        """SIGTERM, and the grace."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGTERM)
        self.wait(timeout)


class PlainCrew(Crew):
    """The supervisor of a project without Holdfast: one scheduler is all it may have, so schedules are left out."""

    ways = "tests.chaos.plain.ways.WAYS"
    schedulers = 0
    forgers_wanted = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.overdue: list[int] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of all that is started here."""
        return super().environment | {"DJANGO_SETTINGS_MODULE": SETTINGS}

    def worker(self, pool: str) -> WorkerProcess:
        """Start one worker."""
        self.started += 1
        name = f"plain{self.started}"
        command = ["-m", "celery", "-A", "tests.chaos.plain", "worker", "-n", f"{name}@%h"]
        options = ["-P", pool, "-c", str(SLOTS[pool]), "-Q", "celery", "-l", "INFO", *FLAGS]
        worker = PlainWorker(
            self.on.site.alias,
            [*command, *options],
            log=self.on.site.directory / f"{name}.log",
            environment=self.environment,
            overdue=self.overdue,
        )
        self.on.site.workers.append(worker)
        self.on.recipes[worker.pid] = Recipe((), {"pool": pool})
        return worker


class PlainSoak(Soak):
    """One run of plain Celery."""

    product = "celery"
    crew_of = PlainCrew
    crew: PlainCrew
    _next_look = 0.0

    def catalogue(self) -> list[Fault]:
        """Return the faults whose target there is, and that know nothing of Holdfast."""
        return [one for one in super().catalogue() if one.hits in HIT and one.name not in FOREIGN]

    def run(self) -> dict[str, Any]:
        """Run it, on a database with the tables of django-celery-results and a Redis that syncs each write."""
        migrate = SiteProcess(
            ["-m", "django", "migrate", "--verbosity", "0"],
            log=self.on.site.directory / "migrate.log",
            environment=self.crew.environment,
        )
        assert migrate.wait(60) == 0, migrate.log_tail()
        self.on.site.redis().config_set("appendfsync", "always")
        self.on.redis.options += ["--appendfsync", "always"]
        return super().run()

    def gather(self) -> Evidence:
        """Read the record; the ledger is empty."""
        rows = AtomicEffect.objects.using(self.on.site.alias).values_list("job", flat=True)
        return Evidence(
            lease=self.on.lease,
            sweep=self.on.bound - self.on.lease,
            sent=read_journal(lines_of(self.on.journal)),
            bodies=read_bodies(self.on.site.effects()),
            atomic=Counter(rows),
            harms=list(self.on.harms),
            lives=list(self.crew.lives.values()),
        )

    def measured(self, evidence: Evidence) -> dict[str, Any]:
        """Return the figures that need no ledger; the others stay empty."""
        killed = {"killed_after_the_grace": len(self.crew.overdue)}
        return super().measured(evidence) | {"run_again": {}} | killed

    def judged(self, evidence: Evidence) -> dict[str, list[str]]:
        """Hold it to nothing: plain Celery promises nothing of this. What the record says is told."""
        return {}

    def _scene(self, lane: int) -> Scene:
        scene = super()._scene(lane)
        scene.work = PlainWork(self.on.site, self.on.journal)
        return scene

    def _pace(self) -> None:
        """Let producers wait while too much waits in Redis; what was lost there waits no more."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK
        client = self.on.site.redis()
        try:
            waiting = int(client.llen(QUEUE)) + int(client.hlen("unacked"))
        except redis.RedisError:
            return
        finally:
            client.close()
        if waiting > TOO_MANY:
            self.slower.touch()
        else:
            self.slower.unlink(missing_ok=True)

    def _open(self) -> int:
        sent = read_journal(lines_of(self.on.journal)).committed
        bodies = read_bodies(self.on.site.effects())
        return sum(not any(body.ended for body in bodies.get(id, ())) for id in sent)

    def _settle(self) -> None:
        """Wait until all has run, or nothing has for so long that nothing will any more."""
        left, since = self._open(), time.monotonic()
        while left and time.monotonic() - since < PATIENCE:
            self.crew.man()
            lasting(1.0)
            if (now := self._open()) != left:
                left, since = now, time.monotonic()
        say(f"{left} jobs have not run and will not")
