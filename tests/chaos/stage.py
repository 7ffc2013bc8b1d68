"""A small site under load on which one fault after the other can be tried, judged as a soak is; runs in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.chaos import rules
from tests.chaos.crew import Crew
from tests.chaos.evidence import gather
from tests.chaos.faults import Fault, Scene
from tests.chaos.ground import Ground
from tests.eventually import eventually

PER_SECOND = 12.0


class Stage:
    """The crew of a soak at a gentle pace; who died of a fault is there again before the next one."""

    def __init__(self, on: Ground, *, seed: int = 7) -> None:
        self.on = on
        self.scene = Scene(on, Random(seed), [], [], [])
        stop = on.site.directory / "stop"
        self.crew = Crew(on, self.scene, seed=seed, stop=stop, per_second=PER_SECOND)

    def man(self) -> None:
        """Start who is not there, and wait until workers take jobs."""
        self.on.forget_connection()
        self.crew.man()
        for worker in list(self.scene.workers):
            worker.wait_ready()
        self.crew.man()

    def strike(self, fault: Fault) -> bool:
        """Strike with everybody there; tell whether it hit."""
        self.man()
        return fault.strike(self.scene)

    def settle(self, timeout: float = 60) -> dict[str, list[str]]:
        """Send no more, wait until every job is final; return the rules that were broken, by what."""
        self.man()
        self.crew.stop.touch()
        self.crew.end_producers()

        def settled() -> bool:
            self.crew.man()
            left = self.on.site.open_jobs()
            assert not left, f"{len(left)} jobs are open: {dict(list(left.items())[:10])}"
            return True

        eventually(settled, within=timeout, every=0.2, told="every job is final")
        self.crew.end_workers()
        found = rules.judged(gather(self.on, list(self.crew.lives.values())))
        return {name: list(broken) for name, broken in found.items() if broken}


@contextmanager
def stage(on: Ground) -> Iterator[Stage]:
    """Set a stage, and leave no process behind."""
    staged = Stage(on)
    try:
        staged.man()
        yield staged
    finally:
        staged.crew.kill()
