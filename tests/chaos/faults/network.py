"""Faults of the network to Redis and to the database: silent, refusing, reset, answers lost."""

from __future__ import annotations

from holdfast.testing.services import Mode, TcpProxy
from tests.chaos.faults.scene import POSTGRES, Fault, Scene
from tests.chaos.ground import lasting


def _cut_broker(name: str, mode: Mode, what: str) -> Fault:
    def strike(scene: Scene) -> bool:
        if not scene.await_work(scene.work.tickets):
            return False
        with scene.harm(name, "broker"):
            _cut(scene.ground.broker, mode, scene.rng.uniform(0.5, 5))
        return True

    return Fault(name, strike, hits="broker", what=what)


def _cut_database(name: str, mode: Mode, what: str, *, short: bool = False) -> Fault:
    def strike(scene: Scene) -> bool:
        assert scene.ground.database is not None
        if not scene.await_work(scene.work.transactions):
            return False
        seconds = scene.rng.uniform(0.02, 0.3) if short else scene.beyond_the_lease
        with scene.harm(name, "database"):
            _cut(scene.ground.database, mode, seconds)
        return True

    return Fault(name, strike, POSTGRES, "database", what)


def _cut(proxy: TcpProxy, mode: Mode, seconds: float) -> None:
    proxy.switch(mode)
    lasting(seconds)
    if mode is Mode.HALF:
        # What was answered meanwhile is never delivered.
        proxy.cut()
    proxy.switch(Mode.PASS)


FAULTS: tuple[Fault, ...] = (
    _cut_broker("silence broker", Mode.BLACKHOLE, "Redis is silent for up to 5 s"),
    _cut_broker("refuse broker", Mode.REFUSE, "nobody listens on Redis's port for up to 5 s"),
    _cut_broker("lose answers of broker", Mode.HALF, "Redis hears and its answers are lost"),
    _cut_database("silence database", Mode.BLACKHOLE, "PostgreSQL is silent beyond a lease"),
    _cut_database("refuse database", Mode.REFUSE, "nobody listens on its port beyond a lease"),
    _cut_database("reset database", Mode.RESET, "its connections are reset", short=True),
    _cut_database("lose answers of database", Mode.HALF, "answers of commits lost", short=True),
)
