"""Faults of Redis itself: wiped, killed, its clients thrown out; each strikes while tickets wait there."""

from __future__ import annotations

from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import every, lasting
from tests.nursery import steadily


@fault("wipe broker", hits="broker")
def wipe(scene: Scene) -> bool:
    """`FLUSHALL` with tickets queued"""
    if not scene.await_work(scene.work.tickets):
        return False
    with scene.harm("wipe broker", "broker"):
        scene.ground.site.redis().flushall()
    return True


@fault("kill broker", hits="broker")
def kill(scene: Scene) -> bool:
    """Redis is killed with -9, and started again on what is on its disk"""
    if not scene.await_work(scene.work.tickets):
        return False
    with scene.harm("kill broker", "broker"):
        scene.ground.redis.kill()
        lasting(scene.rng.uniform(0.5, 5))
        steadily(scene.ground.redis.start)
    return True


@fault("storm broker", hits="broker")
def storm(scene: Scene) -> bool:
    """`CLIENT KILL` of every client, every 0.2 s for 2 s"""
    if not scene.await_work(scene.work.tickets):
        return False
    client = scene.ground.site.redis()
    with scene.harm("storm broker", "broker"):
        for _ in every(0.2, during=2):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    return True


FAULTS = (wipe, kill, storm)
