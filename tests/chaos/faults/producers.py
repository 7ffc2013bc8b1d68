"""Faults of those who send: killed, ended and frozen right after they have sent something."""

from __future__ import annotations

import contextlib
import signal

from tests.chaos.faults.processes import frozen
from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import lasting


@fault("kill producer", hits="producer")
def kill_producer(scene: Scene) -> bool:
    """A producer is killed with -9 right after it has sent something"""
    if (producer := scene.busy_producer()) is None:
        return False
    with scene.harm("kill producer", producer.pid):
        producer.kill()
    return True


@fault("end producer", hits="producer")
def end_producer(scene: Scene) -> bool:
    """A producer gets SIGTERM right after it has sent something"""
    if (producer := scene.busy_producer()) is None:
        return False
    with scene.harm("end producer", producer.pid):
        producer.signal(signal.SIGTERM)
        producer.wait(60)
    return True


@fault("stop producer", hits="producer")
def stop_producer(scene: Scene) -> bool:
    """A producer is frozen for longer than a lease right after it has sent something, and wakes"""
    if (producer := scene.busy_producer()) is None:
        return False
    with frozen(scene, "stop producer", producer), contextlib.suppress(ProcessLookupError):
        producer.signal_group(signal.SIGSTOP)
        lasting(scene.beyond_the_lease)
        producer.signal_group(signal.SIGCONT)
    return True


FAULTS = (kill_producer, end_producer, stop_producer)
