"""The catalogue of faults: each has a name, the databases it exists for, and a way to strike; runs in the soak."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from holdfast.testing.services import Mode, TcpProxy
from tests.chaos.ground import Ground, every, lasting
from tests.processes import SiteProcess, WorkerProcess


@dataclass(slots=True)
class Scene:
    """What a fault may strike: the ground, and who runs on it now."""

    ground: Ground
    rng: Random
    workers: list[WorkerProcess]
    producers: list[SiteProcess]

    def worker(self, *, prefork: bool = False) -> WorkerProcess | None:
        """Choose a worker that takes jobs; with `prefork`, one that has children."""
        ready = [w for w in self.workers if w.running and " ready." in w.log_text()]
        living = [w for w in ready if w.pids() or not prefork]
        return self.rng.choice(living) if living else None

    def harm(self, fault: str, target: int | str) -> AbstractContextManager[None]:
        """Note what is done to whom, for the judge."""
        return self.ground.harming(fault, target)

    @property
    def beyond_the_lease(self) -> float:
        return self.ground.lease * self.rng.uniform(1.1, 1.8)


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which the world breaks. `strike` returns when it is over."""

    name: str
    strike: Callable[[Scene], None]
    databases: frozenset[str] = frozenset({"sqlite", "postgres"})


def _kill_child(scene: Scene) -> None:
    worker = scene.worker(prefork=True)
    if worker is not None:
        with scene.harm("kill child", worker.pid), contextlib.suppress(ProcessLookupError):
            os.kill(scene.rng.choice(worker.pids()), signal.SIGKILL)


def _stop_child(scene: Scene) -> None:
    worker = scene.worker(prefork=True)
    if worker is not None:
        child = scene.rng.choice(worker.pids())
        with _frozen(scene, "stop child", worker), contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)
            lasting(scene.beyond_the_lease)
            os.kill(child, signal.SIGCONT)


def _kill_worker(scene: Scene) -> None:
    worker = scene.worker()
    if worker is not None:
        scene.ground.kill(worker)


def _stop_worker(scene: Scene) -> None:
    worker = scene.worker()
    if worker is not None:
        with _frozen(scene, "stop worker", worker):
            worker.signal_group(signal.SIGSTOP)
            lasting(scene.beyond_the_lease)
            worker.signal_group(signal.SIGCONT)


def _frozen(scene: Scene, fault: str, worker: WorkerProcess) -> contextlib.ExitStack:
    """Note a freeze; a process frozen inside SQLite keeps everybody from writing, so it freezes the database."""
    stack = contextlib.ExitStack()
    stack.enter_context(scene.harm(fault, worker.pid))
    if scene.ground.postgres is None:
        stack.enter_context(scene.harm(fault, "database"))
    return stack


def _end_worker(scene: Scene) -> None:
    worker = scene.worker()
    if worker is not None:
        with scene.harm("end worker", worker.pid):
            worker.signal(signal.SIGTERM)
            assert worker.wait(60) == 0, worker.log_tail()


def _kill_producer(scene: Scene) -> None:
    producer = scene.rng.choice(scene.producers)
    with scene.harm("kill producer", producer.pid):
        producer.kill()


def _wipe_broker(scene: Scene) -> None:
    with scene.harm("wipe broker", "broker"):
        scene.ground.site.redis().flushall()


def _kill_broker(scene: Scene) -> None:
    with scene.harm("kill broker", "broker"):
        scene.ground.redis.kill()
        lasting(scene.rng.uniform(0.5, 5))
        scene.ground.redis.start()


def _storm_broker(scene: Scene) -> None:
    client = scene.ground.site.redis()
    with scene.harm("storm broker", "broker"):
        for _ in every(0.2, during=2):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def _cut_broker(mode: Mode) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        with scene.harm(f"{mode.value} broker", "broker"):
            _cut(scene.ground.broker, mode, scene.rng.uniform(0.5, 5))

    return strike


def _crash_database(scene: Scene) -> None:
    scene.ground.crash_database()


def _cut_database(mode: Mode, *, short: bool = False) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        assert scene.ground.database is not None
        seconds = scene.rng.uniform(0.02, 0.3) if short else scene.beyond_the_lease
        with scene.harm(f"{mode.value} database", "database"):
            _cut(scene.ground.database, mode, seconds)

    return strike


def _cut(proxy: TcpProxy, mode: Mode, seconds: float) -> None:
    proxy.switch(mode)
    lasting(seconds)
    if mode is Mode.HALF:
        # What was answered meanwhile is never delivered.
        proxy.cut()
    proxy.switch(Mode.PASS)


_POSTGRES = frozenset({"postgres"})

CATALOGUE = (
    Fault("kill child", _kill_child),
    Fault("stop child", _stop_child),
    Fault("kill worker", _kill_worker),
    Fault("stop worker", _stop_worker),
    Fault("end worker", _end_worker),
    Fault("kill producer", _kill_producer),
    Fault("wipe broker", _wipe_broker),
    Fault("kill broker", _kill_broker),
    Fault("storm broker", _storm_broker),
    Fault("silence broker", _cut_broker(Mode.BLACKHOLE)),
    Fault("refuse broker", _cut_broker(Mode.REFUSE)),
    Fault("lose answers of broker", _cut_broker(Mode.HALF)),
    Fault("crash database", _crash_database, _POSTGRES),
    Fault("silence database", _cut_database(Mode.BLACKHOLE), _POSTGRES),
    Fault("refuse database", _cut_database(Mode.REFUSE), _POSTGRES),
    Fault("reset database", _cut_database(Mode.RESET, short=True), _POSTGRES),
    Fault("lose answers of database", _cut_database(Mode.HALF, short=True), _POSTGRES),
)
