"""Faults of the network to Redis and to the database: silent, late, refusing, reset, half-open, answers lost."""

from __future__ import annotations

from holdfast.testing.services import Mode, TcpProxy
from tests.chaos.faults.scene import POSTGRES, Fault, Scene, fault
from tests.chaos.ground import every, lasting

# A worker finds out within 11 s.
HALF_OPEN = 15.0


def _cut_broker(name: str, mode: Mode, what: str) -> Fault:
    def strike(scene: Scene) -> bool:
        if not scene.await_tickets():
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


def _delay(proxy: TcpProxy, scene: Scene) -> None:
    proxy.switch(
        Mode.DELAY,
        delay_seconds=scene.rng.uniform(0.02, 0.1),
        jitter_seconds=scene.rng.uniform(0, 0.1),
    )
    lasting(scene.rng.uniform(2, 6))
    proxy.switch(Mode.PASS)


@fault("delay broker", hits="broker")
def delay_broker(scene: Scene) -> bool:
    """Each piece to and from Redis is up to 0.2 s late, each by another time, for up to 6 s"""
    if not scene.await_tickets():
        return False
    with scene.harm("delay broker", "broker"):
        _delay(scene.ground.broker, scene)
    return True


@fault("reset broker", hits="broker")
def reset_broker(scene: Scene) -> bool:
    """All connections to Redis are reset, again and again for 2 s"""
    if not scene.await_tickets():
        return False
    with scene.harm("reset broker", "broker"):
        for _ in every(scene.rng.uniform(0.1, 0.5), during=2):
            scene.ground.broker.cut()
    return True


@fault("half-open broker", hits="broker")
def half_open_broker(scene: Scene) -> bool:
    """All connections to Redis are half-open: never answered, never closed; new ones work"""
    if not scene.await_tickets():
        return False
    proxy = scene.ground.broker
    with scene.harm("half-open broker", "broker"):
        proxy.strand()
        # Whoever waits on one finds out in his own time; TCP would tell the rest in the end.
        scene.await_work(lambda: not proxy.stranded, patience=HALF_OPEN)
        proxy.end_stranded()
    return True


@fault("delay database", hits="database", databases=POSTGRES)
def delay_database(scene: Scene) -> bool:
    """Each piece to and from PostgreSQL is up to 0.2 s late, each by another time, for up to 6 s"""
    assert scene.ground.database is not None
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm("delay database", "database"):
        _delay(scene.ground.database, scene)
    return True


@fault("half-open database", hits="database", databases=POSTGRES)
def half_open_database(scene: Scene) -> bool:
    """All connections to PostgreSQL are half-open for longer than a lease, then reset by TCP; new ones work"""
    assert scene.ground.database is not None
    if not scene.await_work(scene.work.transactions):
        return False
    with scene.harm("half-open database", "database"):
        scene.ground.database.strand()
        lasting(scene.beyond_the_lease)
        scene.ground.database.end_stranded()
    return True


FAULTS: tuple[Fault, ...] = (
    _cut_broker("silence broker", Mode.BLACKHOLE, "Redis is silent for up to 5 s"),
    _cut_broker("refuse broker", Mode.REFUSE, "Nobody listens on Redis's port for up to 5 s"),
    _cut_broker(
        "lose answers of broker", Mode.HALF, "Redis hears for up to 5 s, and its answers are lost"
    ),
    delay_broker,
    reset_broker,
    half_open_broker,
    _cut_database(
        "silence database", Mode.BLACKHOLE, "PostgreSQL is silent for longer than a lease"
    ),
    _cut_database(
        "refuse database", Mode.REFUSE, "Nobody listens on its port for longer than a lease"
    ),
    _cut_database(
        "reset database", Mode.RESET, "Its connections are reset for up to 0.3 s", short=True
    ),
    _cut_database(
        "lose answers of database",
        Mode.HALF,
        "PostgreSQL hears and commits for up to 0.3 s, and its answers are lost",
        short=True,
    ),
    delay_database,
    half_open_database,
)
