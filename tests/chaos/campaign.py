"""One soak: a crew at work, faults in several lanes at once, quiet, and the judgement; runs in the soak's process."""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from functools import partial
from random import Random
from typing import Any

from django.db import Error, connections

from holdfast.ledger.models import Job
from holdfast.ledger.states import OPEN
from tests.chaos import neighbour, rules
from tests.chaos.choosing import Choice
from tests.chaos.crew import Crew
from tests.chaos.evidence import Evidence, gather
from tests.chaos.faults import CATALOGUE, Fault, Scene
from tests.chaos.ground import Ground, lasting
from tests.chaos.neighbour import Neighbour
from tests.chaos.outside import outside
from tests.chaos.provenance import provenance
from tests.eventually import eventually

PAUSE = (1.0, 4.0)
LANES = 3
LOOK = 0.2
# A way is about three jobs, so this is some 100 jobs a second. SQLite has one writer for all of them.
WAYS_PER_SECOND = {"postgres": 32.0, "sqlite": 8.0}
# So many open jobs, and producers wait: what is to be shown is the faults, not an ever longer queue.
TOO_MANY = 2500
SETTLED = 120.0
# The leases are short, so that there are many of them in a run. Nobody is to die of being hit by chance.
SETTINGS = {"lease_seconds": 4.0, "sweep_seconds": 1.0, "max_lost_attempts": 6.0}


class Soak:
    """One run: load, faults, quiet, judgement."""

    product = "holdfast"
    crew_of = Crew

    def __init__(
        self,
        on: Ground,
        *,
        seed: int,
        minutes: float,
        database: str,
        lanes: int = LANES,
        ways_per_second: float | None = None,
        next_door: Ground | None = None,
    ) -> None:
        """Take the ground of a second project that shares the Redis of this one, if there is to be one."""
        self.on = on
        self.seed, self.minutes, self.database, self.lanes = seed, minutes, database, lanes
        self.choice = Choice(self.catalogue(), Random(seed))
        self.workers: list[Any] = []
        self.producers: list[Any] = []
        self.schedulers: list[Any] = []
        stop = on.site.directory / "stop"
        pace = ways_per_second or WAYS_PER_SECOND[database]
        self.crew = self.crew_of(on, self._scene(0), seed=seed, stop=stop, per_second=pace)
        self.neighbour = (
            Neighbour(next_door, beside=on, seed=seed, stop=stop) if next_door else None
        )
        self.slower = stop.with_suffix(".slower")
        self.over = threading.Event()
        self.unexpected: list[str] = []
        self.in_vain: list[str] = []

    def catalogue(self) -> list[Fault]:
        """Return the faults that may strike."""
        return [fault for fault in CATALOGUE if self.database in fault.databases]

    def run(self) -> dict[str, Any]:
        """Break things for so many minutes, then let everything come to its end."""
        for crew in self.crews:
            crew.man()
        for crew in self.crews:
            crew.await_workers()
        began = time.monotonic()
        struck_at = [
            (self._scene(number), self.choice, PAUSE) for number in range(1, self.lanes + 1)
        ]
        if self.neighbour is not None:
            struck_at.append((self.neighbour.scene, self.neighbour.choice, neighbour.PAUSE))
        lanes = [threading.Thread(target=self._lane, args=each) for each in struck_at]
        for lane in lanes:
            lane.start()
        try:
            self._supervise(began + self.minutes * 60)
        finally:
            self.over.set()
        while any(lane.is_alive() for lane in lanes):
            self._supervise(time.monotonic() + LOOK)
        struck = time.monotonic() - began
        self._come_to_an_end()
        return self.result(seconds=round(struck, 1))

    @property
    def crews(self) -> list[Crew]:
        """Return the supervisors of all projects."""
        return [self.crew, *([self.neighbour.crew] if self.neighbour else [])]

    def kill(self) -> None:
        """Leave no process behind, whatever went wrong."""
        for crew in self.crews:
            crew.kill()

    def result(self, *, seconds: float) -> dict[str, Any]:
        """Judge the run by the ledger and the record."""
        evidence = self.gather()
        (self.on.site.directory / "evidence.pickle").write_bytes(pickle.dumps(evidence))
        broken = {name: found for name, found in self.judged(evidence).items() if found}
        beside: dict[str, Any] = {}
        if self.neighbour is not None:
            beside, found_there = self.neighbour.judged()
            broken |= found_there
        if self.unexpected:
            broken["unexpected"] = self.unexpected
        return {
            "product": self.product,
            "seed": self.seed,
            "minutes": self.minutes,
            "seconds": seconds,
            "database": self.database,
            **provenance(self.on),
            "faults": dict(sorted((+self.choice.hits).items())),
            "found_nothing_to_hit": dict(sorted(self.choice.misses.items())),
            "in_vain": self.in_vain,
            **self.measured(evidence),
            "next_door": beside,
            "by_the_record_alone": outside(evidence),
            "broken": broken,
        }

    def gather(self) -> Evidence:
        """Read all that is known of the run."""
        return gather(self.on, list(self.crew.lives.values()))

    def measured(self, evidence: Evidence) -> dict[str, Any]:
        """Return the figures of the run."""
        return rules.measured(evidence)

    def judged(self, evidence: Evidence) -> dict[str, list[str]]:
        """Return what each rule has found."""
        return rules.judged(evidence)

    def _scene(self, lane: int) -> Scene:
        rng = Random(f"{self.seed} {lane}")
        return Scene(self.on, rng, self.workers, self.producers, self.schedulers)

    def _supervise(self, until: float) -> None:
        while (now := time.monotonic()) < until:
            for crew in self.crews:
                crew.man()
            self._pace()
            lasting(min(LOOK, until - now))

    def _pace(self) -> None:
        """Let producers wait while too much is open: the database may be away, then nobody can send anyway."""
        try:
            waiting = Job.objects.using(self.on.site.alias).filter(state__in=OPEN).count()
        except Error:
            connections[self.on.site.alias].close()
            return
        if waiting > TOO_MANY:
            self.slower.touch()
        else:
            self.slower.unlink(missing_ok=True)

    def _lane(self, scene: Scene, choice: Choice, pause: tuple[float, float]) -> None:
        """Strike one fault after the other until it is over."""
        alias = scene.ground.site.alias
        while not self.over.is_set():
            fault = choice.take()
            if fault is not None:
                began, hit = time.monotonic(), False
                try:
                    hit = fault.strike(scene)
                except AssertionError as error:
                    # Somebody did not do what was asked of him: told with the judgement.
                    self.unexpected.append(f"{fault.name}: {error}")
                except Exception:  # noqa: BLE001  # two lanes meet: what strikes here was struck by the other one
                    self.in_vain.append(f"{fault.name}: {traceback.format_exc()}")
                    connections[alias].close()
                choice.give_back(fault, hit=hit)
                missed = "" if hit else ", hit nothing that held work"
                say(f"{fault.name} ({time.monotonic() - began:.1f} s{missed})")
            self.over.wait(scene.rng.uniform(*pause))
        connections[alias].close()

    def _come_to_an_end(self) -> None:
        say("quiet: waiting until every job is final")
        self.crew.stop.touch()
        ends = [crew.end_producers for crew in self.crews]
        ends.append(self._settle)
        if self.neighbour is not None:
            ends.append(partial(self.neighbour.settle, SETTLED))
        ends += [crew.end_workers for crew in self.crews]
        for end in ends:
            try:
                end()
            except AssertionError as error:
                # The judge counts what is still open as lost, beside all the rest.
                self.unexpected.append(str(error))

    def _settle(self) -> None:
        """Wait until all jobs are final; whoever dies meanwhile is started again."""
        self.on.forget_connection()

        def settled() -> bool:
            self.crew.man()
            left = self.on.site.open_jobs()
            assert not left, f"{len(left)} jobs are open: {dict(list(left.items())[:10])}"
            return True

        eventually(settled, within=SETTLED, every=LOOK, told="every job is final")


def say(text: str) -> None:
    """Tell the terminal what goes on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201  # its user interface
