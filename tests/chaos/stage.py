"""A small site under load on which one fault after another can be tried: workers, producers, schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos import producer
from tests.chaos.faults import Fault, Scene
from tests.chaos.ground import Ground
from tests.chaos.judge import Judgement
from tests.processes import SiteProcess

SLOTS = {"prefork": 2, "threads": 4}
# Nobody is to die of being hit by chance.
SETTINGS = {"max_lost_attempts": 1000.0}


class Stage:
    """One prefork worker, one with threads, two producers, and two schedulers if wanted."""

    def __init__(self, on: Ground, *, schedulers: int = 0) -> None:
        self.on = on
        self.stop_file = on.site.directory / "stop"
        self.scene = Scene(on, Random(7), [], [])
        self._schedulers = schedulers
        self._sent = 0

    def man(self) -> None:
        """Start what is not there, as a supervisor does, and wait until workers take jobs."""
        scene = self.scene
        self.on.forget_connection()
        scene.workers[:] = [worker for worker in scene.workers if worker.running]
        for crew in (scene.producers, scene.schedulers):
            crew[:] = [process for process in crew if process.running]
        pools = [self.on.pool_of(worker) for worker in scene.workers]
        for pool, slots in SLOTS.items():
            if pool not in pools:
                scene.workers.append(self.on.worker(pool=pool, concurrency=slots, wait=False))
        while len(scene.producers) < 2:
            self._sent += 1
            scene.producers.append(self._producer())
        while len(scene.schedulers) < self._schedulers:
            scene.schedulers.append(self.on.scheduler())
        for worker in scene.workers:
            worker.wait_ready()

    def strike(self, fault: Fault) -> bool:
        """Strike with everybody there; tell whether it hit."""
        self.man()
        return fault.strike(self.scene)

    def settle(self, timeout: float = 60) -> Judgement:
        """Send no more, wait until every job is final, and compare the records."""
        self.man()
        self.stop_file.touch()
        for sender in self.scene.producers:
            sender.wait(60)
        for scheduler in self.scene.schedulers:
            scheduler.stop()
        self.on.settle(timeout)
        noted = [line.split() for line in self.on.journal.read_text().splitlines()]
        return self.on.judge([line[1] for line in noted if line[0] == "committed"])

    def _producer(self) -> SiteProcess:
        return SiteProcess(
            ["-m", producer.__name__, str(self._sent), str(self.on.journal), str(self.stop_file)],
            log=self.on.site.directory / f"sender{self._sent}.log",
            environment=self.on.site.environment | self.on.environment,
        )


@contextmanager
def stage(on: Ground, *, schedulers: int = 0) -> Iterator[Stage]:
    """Set a stage, and leave no process behind."""
    staged = Stage(on, schedulers=schedulers)
    try:
        staged.man()
        yield staged
    finally:
        for process in (*staged.scene.producers, *staged.scene.schedulers):
            process.kill()
