"""Faults of PostgreSQL itself: it crashes with transactions open."""

from __future__ import annotations

from tests.chaos.faults.scene import POSTGRES, Scene, fault


@fault("crash database", hits="database", databases=POSTGRES)
def crash(scene: Scene) -> bool:
    """PostgreSQL is stopped as a crash does while transactions are open, and started again"""
    if not scene.await_work(scene.work.transactions):
        return False
    scene.ground.crash_database()
    return True


FAULTS = (crash,)
