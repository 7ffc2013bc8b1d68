"""What a fault is, and what it may strike: the ground, who runs on it now, and who of them holds work."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from holdfast.ledger import schedules
from tests.chaos.ground import Ground, lasting
from tests.chaos.work import Work
from tests.processes import SiteProcess, WorkerProcess

T = TypeVar("T")
Strike = Callable[["Scene"], bool]

BOTH = frozenset({"sqlite", "postgres"})
POSTGRES = frozenset({"postgres"})
SQLITE = frozenset({"sqlite"})
# For so many seconds a fault looks for somebody who holds work, before it says that nobody did.
PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the world breaks, and mends.

    `strike` does it, and returns when it is over and all is as before, but for what died of it: a supervisor starts
    that again. It tells whether it hit something that held work; if nothing did, it did no harm.
    """

    name: str
    strike: Strike
    databases: frozenset[str] = BOTH
    # "worker", "producer", "scheduler", "broker" or "database": two faults of one target never strike at once.
    hits: str = "worker"
    # One line for docs/faults.md.
    what: str = ""


@dataclass(slots=True)
class Scene:
    """What a fault may strike; each lane of faults has a scene, with a random generator of its own."""

    ground: Ground
    rng: Random
    workers: list[WorkerProcess]
    producers: list[SiteProcess]
    schedulers: list[SiteProcess] = field(default_factory=list)
    work: Work = field(init=False)

    def __post_init__(self) -> None:
        self.work = Work(self.ground.site, self.ground.journal)

    def ready_workers(self) -> list[WorkerProcess]:
        """Return the workers that take jobs."""
        return [w for w in list(self.workers) if w.running and w.has_said(" ready.")]

    def busy_workers(self) -> list[WorkerProcess]:
        """Return the workers that have jobs claimed, by the ledger."""
        return [worker for worker in self.ready_workers() if self.work.claims(worker)]

    def busy_worker(self) -> WorkerProcess | None:
        """Choose a worker that has jobs claimed, by the ledger."""
        return self.choose(self.busy_workers)

    def busy_child(self) -> tuple[WorkerProcess, int] | None:
        """Choose a process of a pool that runs a body, with its worker."""
        return self.choose(
            lambda: [
                (worker, child)
                for worker in self.ready_workers()
                for child in self.work.bodies(worker) - {worker.pid}
            ]
        )

    def busy_producer(self) -> SiteProcess | None:
        """Choose a producer that has sent something this very moment."""
        return self.choose(lambda: self.work.senders(list(self.producers)))

    def leader(self) -> SiteProcess | None:
        """Return the scheduler that leads, by what it has logged."""

        def leading() -> list[SiteProcess]:
            holder = self.work.asked(schedules.duty_holder)[0]
            told = re.compile(rf"(leads: {holder}|{holder} leads now)")
            return [
                one for one in list(self.schedulers) if one.running and told.search(one.log_text())
            ]

        return self.choose(leading)

    def choose(self, among: Callable[[], list[T]]) -> T | None:
        """Look until there is somebody to choose from; None if nobody comes."""
        found = self.await_work(among)
        return self.rng.choice(found) if found else None

    def await_tickets(self) -> bool:
        """Look until tickets wait in Redis; tell whether any do."""
        return bool(self.await_work(self.work.tickets))

    def await_work(self, held: Callable[[], T], *, patience: float = PATIENCE) -> T | None:
        """Look until something holds work; return what was found, None if nothing does."""
        deadline = time.monotonic() + patience
        while not (found := held()):
            if time.monotonic() > deadline:
                return None
            lasting(0.02)
        return found

    def harm(self, fault: str, target: int | str) -> AbstractContextManager[None]:
        """Note what is done to whom, for the judge."""
        return self.ground.harming(fault, target)

    @property
    def beyond_the_lease(self) -> float:
        return self.ground.lease * self.rng.uniform(1.1, 1.8)


def fault(name: str, *, hits: str, databases: frozenset[str] = BOTH) -> Callable[[Strike], Fault]:
    """Make a fault of the function that strikes; its docstring is the line of the catalogue."""

    def named(strike: Strike) -> Fault:
        what = (strike.__doc__ or "").partition("\n")[0]
        return Fault(name, strike, databases, hits, what)

    return named
