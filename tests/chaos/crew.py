"""Who runs in a soak: workers, schedulers, producers and a forger, each started again when it dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.chaos import forger, producer, record
from tests.chaos.evidence import Life
from tests.chaos.faults import Scene
from tests.chaos.ground import Ground, has_started
from tests.chaos.ways import POISONED
from tests.eventually import eventually
from tests.processes import SiteProcess, WorkerProcess

WORKERS = {"prefork": 2, "threads": 2}
SLOTS = {"prefork": 3, "threads": 16}
QUEUES = {"prefork": f"celery,{POISONED}", "threads": "celery"}
PRODUCERS = 3


class Crew:
    """A supervisor: `man` starts what is missing, and notes from when to when each process lived."""

    ways = "tests.chaos.ways.WAYS"
    workers_wanted = WORKERS
    queues = QUEUES
    schedulers = 2
    producers_wanted = PRODUCERS
    forgers_wanted = 1

    def __init__(
        self, on: Ground, scene: Scene, *, seed: int, stop: Path, per_second: float
    ) -> None:
        """Take the ways that are to be sent per second by all producers together."""
        self.on, self.scene, self.seed, self.stop = on, scene, seed, stop
        self.per_second = per_second
        self.lives: dict[int, Life] = {}
        self.forgers: list[SiteProcess] = []
        self.started = 0
        # Every process of the run reads the same clock, whatever is done to its own.
        self.zero = {record.ZERO: repr(record.zero())}

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of all that is started here."""
        return self.on.site.environment | self.on.environment | self.zero

    def await_workers(self) -> None:
        """Wait until every worker takes jobs."""
        eventually(self._are_ready, within=60, told="the workers are ready")

    def _are_ready(self) -> bool:
        self.look()
        now = record.now()
        return all(self.lives[worker.pid].ready <= now for worker in self.scene.workers)

    def man(self) -> None:
        """Start what a supervisor would start; once the stop file is there, workers alone."""
        scene = self.scene
        self.look()
        manned = Counter(self.on.pool_of(worker) for worker in scene.workers)
        for pool, wanted in self.workers_wanted.items():
            for _ in range(wanted - manned[pool]):
                scene.workers.append(self.worker(pool))
        if self.stop.exists():
            return
        while len(scene.schedulers) < self.schedulers:
            scene.schedulers.append(self.on.scheduler())
        while len(scene.producers) < self.producers_wanted:
            pace = str(self.per_second / self.producers_wanted)
            scene.producers.append(self._sender(producer.__name__, pace, self.ways))
        while len(self.forgers) < self.forgers_wanted:
            self.forgers.append(self._sender(forger.__name__))

    def worker(self, pool: str) -> WorkerProcess:
        """Start one worker."""
        return self.on.worker(
            pool=pool,
            concurrency=SLOTS[pool],
            queues=self.queues[pool],
            wait=False,
            environment=self.zero | {"HOLDFAST_UNSIGNED": "refuse"},
        )

    def look(self) -> None:
        """Note who has become ready and who has ended; forget the dead."""
        now = record.now()
        kinds: list[tuple[str, list[SiteProcess]]] = [
            ("worker", self.scene.workers),  # type: ignore[list-item]  # only looked at and removed
            ("scheduler", self.scene.schedulers),
            ("producer", self.scene.producers),
            ("forger", self.forgers),
        ]
        for kind, processes in kinds:
            for one in list(processes):
                life = self.lives.setdefault(one.pid, Life(kind, one.pid, float("inf")))
                if not one.running:
                    life.ended = now
                    processes.remove(one)
                elif life.ready > now and (kind != "worker" or one.has_said(" ready.")):
                    life.ready = now

    def end_producers(self) -> None:
        """Wait until those who send have seen the stop file; no schedule is due any more either."""
        for one in [*self.scene.producers, *self.forgers]:
            one.wait(60)
        for one in [one for one in self.scene.schedulers if one.running]:
            # Before that nobody in it knows what SIGTERM asks.
            eventually(
                partial(has_started, one), within=60, told=f"scheduler {one.pid} has started"
            )
            one.stop(30)

    def end_workers(self) -> None:
        """Stop all workers in order."""
        for worker in self.scene.workers:
            worker.stop(40)

    def kill(self) -> None:
        """Leave no process behind, whatever went wrong; the workers are the site's own."""
        others: Iterable[SiteProcess] = (
            *self.scene.producers,
            *self.scene.schedulers,
            *self.forgers,
        )
        for one in others:
            one.kill()

    def _sender(self, module: str, *more: str) -> SiteProcess:
        self.started += 1
        arguments = (str(self.seed * 1000 + self.started), str(self.on.journal), str(self.stop))
        return SiteProcess(
            ["-m", module, *arguments, *more],
            log=self.on.site.directory / f"sender{self.started}.log",
            environment=self.environment,
        )
