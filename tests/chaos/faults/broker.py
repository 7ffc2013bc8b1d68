"""Faults of Redis itself: wiped, killed, full, evicting, read-only, failed over; each strikes while tickets wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from holdfast.testing.services import RedisServer, SentinelGroup, ServiceError, free_port
from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import every, lasting
from tests.eventually import eventually
from tests.nursery import steadily

_numbers = count(1)


@fault("wipe broker", hits="broker")
def wipe(scene: Scene) -> bool:
    """`FLUSHALL` with tickets queued"""
    if not scene.await_tickets():
        return False
    with scene.harm("wipe broker", "broker"):
        scene.ground.redis.command("FLUSHALL")
    return True


@fault("kill broker", hits="broker")
def kill(scene: Scene) -> bool:
    """Redis is killed with -9, and started again after up to 5 s on what is on its disk"""
    if not scene.await_tickets():
        return False
    with scene.harm("kill broker", "broker"):
        scene.ground.redis.kill()
        lasting(scene.rng.uniform(0.5, 5))
        steadily(scene.ground.redis.start)
    return True


@fault("restart broker", hits="broker")
def restart(scene: Scene) -> bool:
    """Redis is shut down in order, and started again at once"""
    if not scene.await_tickets():
        return False
    with scene.harm("restart broker", "broker"):
        steadily(scene.ground.redis.restart)
    return True


@fault("lose disk of broker", hits="broker")
def lose_disk(scene: Scene) -> bool:
    """Redis is killed with -9, and comes back with nothing"""
    if not scene.await_tickets():
        return False
    redis = scene.ground.redis
    with scene.harm("lose disk of broker", "broker"):
        redis.kill()
        for left in sorted(redis.directory.rglob("*.aof*")):
            left.unlink()
        lasting(scene.rng.uniform(0, 1))
        steadily(redis.start)
    return True


@fault("storm broker", hits="broker")
def storm(scene: Scene) -> bool:
    """`CLIENT KILL` of every client, every 0.2 s for 2 s"""
    if not scene.await_tickets():
        return False
    with scene.harm("storm broker", "broker"):
        for _ in every(0.2, during=2):
            scene.ground.redis.command("CLIENT KILL TYPE normal SKIPME yes")
    return True


@fault("sleep broker", hits="broker")
def sleep(scene: Scene) -> bool:
    """`DEBUG SLEEP` for up to 5 s; Redis is frozen where the command is not allowed"""
    if not scene.await_tickets():
        return False
    redis, seconds = scene.ground.redis, scene.rng.uniform(0.5, 5)
    with scene.harm("sleep broker", "broker"):
        try:
            redis.command(f"DEBUG SLEEP {seconds:.2f}", timeout=seconds + 10)
        except ServiceError:
            redis.pause()
            lasting(seconds)
            redis.resume()
    return True


@fault("fill broker", hits="broker")
def fill(scene: Scene) -> bool:
    """`maxmemory` is reached for up to 5 s: every write is refused"""
    if not scene.await_tickets():
        return False
    with scene.harm("fill broker", "broker"), _unlimited_after(scene.ground.redis) as redis:
        redis.limit_memory(1)
        lasting(scene.rng.uniform(0.5, 5))
    return True


@fault("evict broker", hits="broker")
def evict(scene: Scene) -> bool:
    """`maxmemory` is reached with `allkeys-random`: queues vanish for 2 s; counts if one did"""
    if not scene.await_tickets():
        return False
    with scene.harm("evict broker", "broker"), _unlimited_after(scene.ground.redis) as redis:
        before = _evicted(redis)
        for _ in every(0.1, during=2):
            # A little less than what is there: a few keys go, and not the room to write.
            redis.limit_memory(redis.memory_used() - 64, evict=True)
        return _evicted(redis) > before


@fault("read-only broker", hits="broker")
def read_only(scene: Scene) -> bool:
    """Redis becomes a replica for up to 5 s, as after a fail-over that clients did not follow: it can be read only"""
    if not scene.await_tickets():
        return False
    redis = scene.ground.redis
    with scene.harm("read-only broker", "broker"):
        redis.follow(free_port())
        lasting(scene.rng.uniform(0.5, 5))
        redis.lead()
    return True


@fault("fail over broker", hits="broker")
def fail_over(scene: Scene) -> bool:
    """The master is killed and its replica takes over at the same address; later the old one does the same"""
    with _replica(scene) as replica:
        if not scene.await_tickets():
            return False
        with scene.harm("fail over broker", "broker"):
            scene.ground.redis.kill()
            lasting(scene.rng.uniform(0, 2))
            replica.lead()
            _serve_and_return(scene, replica)
    return True


@fault("Sentinel fail-over", hits="broker")
def sentinel_fail_over(scene: Scene) -> bool:
    """The master is killed and three Sentinels make its replica the master, to which the address then leads"""
    master = scene.ground.redis
    with _replica(scene) as replica:
        sentinels = SentinelGroup(replica.directory / "sentinels", servers=(master, replica))
        try:
            steadily(sentinels.start)
            if not scene.await_tickets():
                return False
            with scene.harm("Sentinel fail-over", "broker"):
                sentinels.fail_over()
                sentinels.stop()
                _serve_and_return(scene, replica)
        finally:
            sentinels.stop()
    return True


@contextmanager
def _replica(scene: Scene) -> Iterator[RedisServer]:
    """Start a replica that has all the master has."""
    ground = scene.ground
    replica = RedisServer(ground.site.directory / f"replica{next(_numbers)}")
    steadily(replica.start)
    try:
        replica.follow(ground.redis.port)
        eventually(replica.is_synchronised, within=20, told="the replica has the master's data")
        yield replica
    finally:
        replica.kill()


def _serve_and_return(scene: Scene, replica: RedisServer) -> None:
    """Let the replica, which leads now, serve for a while; then let the old master lead again, with what came since."""
    ground, master = scene.ground, scene.ground.redis
    ground.broker.retarget(replica.port)
    lasting(scene.rng.uniform(1, 3))
    steadily(master.start)
    master.follow(replica.port)
    eventually(master.is_synchronised, within=20, told="the old master has all again")
    replica.kill()
    master.lead()
    ground.broker.retarget(master.port)


@contextmanager
def _unlimited_after(redis: RedisServer) -> Iterator[RedisServer]:
    try:
        yield redis
    finally:
        redis.limit_memory(0)


def _evicted(redis: RedisServer) -> int:
    return int(redis.facts("stats")["evicted_keys"])


FAULTS = (
    wipe,
    kill,
    restart,
    lose_disk,
    storm,
    sleep,
    fill,
    evict,
    read_only,
    fail_over,
    sentinel_fail_over,
)
