"""Faults of clocks: that of one process steps by an hour under its work, by libfaketime; the others keep theirs.

On SQLite there are none: all processes are on one machine, and its clock is the one of the database.
"""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

from tests.chaos.faults.scene import POSTGRES, Scene, fault
from tests.chaos.ground import has_started, lasting
from tests.processes import SiteProcess

HOUR = 3600
# How long one of ours may take to get work, and how long libfaketime goes by what it read before.
PATIENCE = 10.0
CACHE_SECONDS = 1
_numbers = count(1)


@cache
def library() -> Path | None:
    """Return libfaketime, of its package or of the system; None where there is neither, and no clock can step."""
    spec = importlib.util.find_spec("libfaketime")
    packages = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    places = [package / "vendor/libfaketime/src/libfaketime.so.1" for package in packages]
    places += sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return next((place for place in places if place.exists()), None)


class Clock:
    """The clock of one process and its children: right at first."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / f"clock{next(_numbers)}"
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """Return what a process is started with that goes by this clock; what it measures stays right."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": str(CACHE_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """Let it be so many seconds off; in force within a second."""
        # In one piece: a half-written file is no time.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)


@fault("wrong clock of worker", hits="worker", databases=POSTGRES)
def worker(scene: Scene) -> bool:
    """The clock of a worker with claimed jobs steps by an hour, forwards or back, and later back again"""
    known = scene.ground.known(scene.ready_workers())
    if library() is None or not known:
        return False
    clock = Clock(scene.ground.site.directory)
    ours = scene.ground.another(scene.rng.choice(known), **clock.environment)
    scene.workers.append(ours)
    with _ended_after(scene, ours, "end worker"):
        ready = scene.await_work(lambda: ours in scene.ready_workers(), patience=60)
        if not ready or not scene.await_work(lambda: scene.work.claims(ours), patience=PATIENCE):
            return False
        _go_wrong(scene, clock)
        return ours.running


@fault("wrong clock of scheduler", hits="scheduler", databases=POSTGRES)
def scheduler(scene: Scene) -> bool:
    """The clock of the scheduler that leads steps by an hour, forwards or back, and later back again"""
    if library() is None or scene.leader() is None:
        return False
    clock = Clock(scene.ground.site.directory)
    ours = scene.ground.scheduler(clock.environment)
    scene.schedulers.append(ours)
    with _ended_after(scene, ours, "end scheduler"):
        if not scene.await_work(lambda: has_started(ours), patience=60):
            return False
        for _ in range(5):
            leader = scene.leader()
            if leader is ours:
                _go_wrong(scene, clock)
                return ours.running
            if leader is not None:
                with scene.harm("end scheduler", leader.pid):
                    leader.signal(signal.SIGTERM)
                    leader.wait(60)
        return False


@fault("wrong clock of producer", hits="producer", databases=POSTGRES)
def producer(scene: Scene) -> bool:
    """A producer sends whose clock is an hour off, ahead or behind"""
    like = next((one for one in list(scene.producers) if one.running), None)
    if library() is None or like is None:
        return False
    clock = Clock(scene.ground.site.directory)
    clock.step(scene.rng.choice((-HOUR, HOUR)))
    ours = scene.ground.producer_like(like, scene.rng.randrange(10**6, 10**7), clock.environment)
    scene.producers.append(ours)
    with _ended_after(scene, ours, "end producer"), scene.harm("wrong clock of producer", "clock"):
        if not scene.await_work(lambda: scene.work.senders([ours]), patience=2 * PATIENCE):
            return False
        lasting(scene.beyond_the_lease)
        return ours.running


def _go_wrong(scene: Scene, clock: Clock) -> None:
    """Step, and step back; noted for nobody, for it excuses nothing."""
    with scene.harm("wrong clock", "clock"):
        clock.step(scene.rng.choice((-HOUR, HOUR)))
        lasting(CACHE_SECONDS + scene.beyond_the_lease)
        clock.step(0)
        lasting(CACHE_SECONDS)


@contextmanager
def _ended_after(scene: Scene, ours: SiteProcess, told: str) -> Iterator[None]:
    try:
        yield
    finally:
        with scene.harm(told, ours.pid):
            if ours.running:
                ours.signal(signal.SIGTERM)
                ours.wait(60)
        # What libfaketime leaves of a process that was killed would keep the next one of this pid from starting.
        for left in (f"sem.faketime_sem_{ours.pid}", f"faketime_shm_{ours.pid}"):
            Path("/dev/shm", left).unlink(missing_ok=True)


FAULTS = (worker, scheduler, producer)
