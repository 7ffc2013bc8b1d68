"""Faults of `celery beat` on Holdfast's schedules: the one that leads is killed, frozen, ended."""

from __future__ import annotations

import contextlib
import signal

from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import lasting

# A frozen leader is replaced within 15 s (P7): it sleeps through that, and wakes when another one leads.
TAKE_OVER = 15.0


@fault("kill scheduler", hits="scheduler")
def kill(scene: Scene) -> bool:
    """The scheduler that leads is killed with -9 while schedules are due"""
    if (leader := scene.leader()) is None:
        return False
    with scene.harm("kill scheduler", leader.pid):
        leader.kill()
    return True


@fault("stop scheduler", hits="scheduler")
def stop(scene: Scene) -> bool:
    """The scheduler that leads is frozen until another one leads, and wakes"""
    if (leader := scene.leader()) is None:
        return False
    with contextlib.ExitStack() as stack:
        stack.enter_context(scene.harm("stop scheduler", leader.pid))
        if scene.ground.postgres is None:
            # Frozen inside a write, it keeps SQLite's only writer: not for longer than others wait for it.
            stack.enter_context(scene.harm("stop scheduler", "database"))
        with contextlib.suppress(ProcessLookupError):
            leader.signal_group(signal.SIGSTOP)
            lasting(scene.beyond_the_lease if scene.ground.postgres is None else TAKE_OVER + 1)
            leader.signal_group(signal.SIGCONT)
    return True


@fault("end scheduler", hits="scheduler")
def end(scene: Scene) -> bool:
    """The scheduler that leads gets SIGTERM, and hands over"""
    if (leader := scene.leader()) is None:
        return False
    with scene.harm("end scheduler", leader.pid):
        leader.signal(signal.SIGTERM)
        assert leader.wait(60) in {0, -signal.SIGKILL}, leader.log_tail()
    return True


FAULTS = (kill, stop, end)
