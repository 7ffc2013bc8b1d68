"""JOST's simulations on a site of the tests: real workers that count, and can be killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from random import Random
from uuid import UUID

import psutil
import pytest
from django.db.models import Sum

from jost.simulations.engine import warm_up
from jost.simulations.inline import count_inline
from jost.simulations.models import Chunk, Simulation
from tests.eventually import eventually
from tests.harness import FLAGS, Site, new_site
from tests.processes import ProcessEndedError, WorkerProcess
from tests.simulated import CHART, SEED, plain_setup, written

ENVIRONMENT = {"DJANGO_SETTINGS_MODULE": "tests.simulating_settings"}
_names = count(1)


class SimulationSite:
    """JOST on a database and a Redis of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def do(self, code: str) -> str:
        """Run code in a process of the site; return what it printed."""
        imports = (
            "import json; from jost.simulations import lifecycle, studies;"
            "from jost.simulations.models import Chunk, Simulation;"
            "from jost.simulations.setup import Setup;"
        )
        return self.site.django("shell", "--verbosity", "0", "-c", imports + code)

    def start(self, *, rounds: int, targets: Sequence[float | None] = (None,)) -> list[UUID]:
        """Start a simulation of the plain setup for each target."""
        setup = f"Setup.from_dict({{'strategy': json.loads({json.dumps(json.dumps(CHART))})}})"
        start = f"lifecycle.start({setup}, rounds={rounds}, seed={SEED}, target=target).pk"
        printed = self.do(f"print(*({start} for target in {targets!r}))")
        return [UUID(key) for key in printed.split()]

    def told(self, key: UUID) -> str:
        """The simulation, as code for `do`."""
        return f"Simulation.objects.get(pk='{key}')"

    def worker(self, *, pool: str = "prefork", concurrency: int = 2) -> WorkerProcess:
        """Start a worker for simulations; it is not waited for."""
        name = f"s{next(_names)}"
        options = ["-P", pool, "-c", str(concurrency), "-Q", "cpu", "-l", "INFO", *FLAGS]
        worker = WorkerProcess(
            self.site.alias,
            ["-m", "celery", "-A", "jost", "worker", "-n", f"{name}@%h", *options],
            log=self.site.directory / f"{name}.log",
            environment=self.site.environment,
            warm=self.site.warm,
        )
        self.site.workers.append(worker)
        return worker

    def empty(self) -> None:
        """End the workers, and forget every simulation and job."""
        self.site.kill_workers()
        self.site.redis().flushdb()
        self.site.empty()
        Simulation.objects.using(self.site.alias).all().delete()

    def row(self, key: UUID) -> Simulation:
        return Simulation.objects.using(self.site.alias).get(pk=key)

    def rounds_counted(self, key: UUID) -> int:
        chunks = Chunk.objects.using(self.site.alias).filter(simulation=key)
        return int(chunks.aggregate(rounds=Sum("rounds"))["rounds"] or 0)

    def await_rounds(self, key: UUID, rounds: int) -> None:
        """Wait until so many are counted, or the simulation has ended."""
        eventually(
            lambda: self.rounds_counted(key) >= rounds or not self.row(key).is_active,
            within=120,
            told=f"{rounds:,} rounds are counted",
        )

    def await_answer(self, key: UUID, *, within: float = 120) -> str:
        """Wait for the answer; return its tally as it is stored."""

        def ended() -> bool:
            row = self.row(key)
            if row.state == Simulation.State.FAILED:
                raise ProcessEndedError(row.reason)
            return row.state == Simulation.State.SUCCEEDED

        try:
            eventually(ended, within=within, every=0.05, told="the simulation has its answer")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.site.log_tails()}") from None
        return written(self.row(key).tally)


@contextmanager
def simulation_site(kind: str, request: pytest.FixtureRequest) -> Iterator[SimulationSite]:
    """Enter a site of JOST on a fresh database of a kind."""
    # Once: processes that begin at the same time would all compile.
    warm_up()
    with new_site(kind, request, environment=ENVIRONMENT) as site:
        yield SimulationSite(site)


@cache
def undisturbed(rounds: int, *, target: float | None = None, seed: int = SEED) -> str:
    """What this process counts without jobs, as it would be stored."""
    tally = count_inline(plain_setup().game, rounds=rounds, seed=seed, target=target)
    return written(tally.to_dict())


def kill_at_random(on: SimulationSite, key: UUID, *, rounds: int, kills: int, seed: int) -> int:
    """Kill -9 a child or a whole worker at moments that the seed decides, and start another; return how many.

    A moment is a number of rounds that have been counted, so that a slow machine is hit as a fast one is.
    """
    dice = Random(seed)
    hits = 0
    for moment in sorted(dice.randrange(rounds * 19 // 20) for _ in range(kills)):
        on.await_rounds(key, moment)
        if not on.row(key).is_active:
            break
        victim = dice.choice([worker for worker in on.site.workers if worker.running])
        children = sorted(victim.pids())
        if children and dice.random() < 0.5:
            _kill(dice.choice(children))
        else:
            victim.kill()
            on.worker()
        hits += 1
    return hits


def _kill(pid: int) -> None:
    try:
        psutil.Process(pid).send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        # The pool has ended it, to put another in its place.
        return
