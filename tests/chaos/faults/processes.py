"""Faults of processes: pool children, workers and producers killed, frozen and ended."""

from __future__ import annotations

import contextlib
import os
import signal

from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import lasting
from tests.processes import WorkerProcess


@fault("kill child", hits="worker")
def kill_child(scene: Scene) -> bool:
    """A process of a pool is killed with -9 while it runs a body"""
    if (found := scene.busy_child()) is None:
        return False
    worker, child = found
    with scene.harm("kill child", worker.pid):
        return _signalled(child, signal.SIGKILL)


@fault("stop child", hits="worker")
def stop_child(scene: Scene) -> bool:
    """A process of a pool is frozen for longer than a lease while it runs a body, and wakes"""
    if (found := scene.busy_child()) is None:
        return False
    worker, child = found
    with _frozen(scene, "stop child", worker):
        if not _signalled(child, signal.SIGSTOP):
            return False
        lasting(scene.beyond_the_lease)
        _signalled(child, signal.SIGCONT)
    return True


@fault("kill worker", hits="worker")
def kill_worker(scene: Scene) -> bool:
    """A worker with claimed jobs is killed with -9, its pool too, as a lost host does"""
    if (worker := scene.busy_worker()) is None:
        return False
    scene.ground.kill(worker)
    return True


@fault("stop worker", hits="worker")
def stop_worker(scene: Scene) -> bool:
    """A worker with claimed jobs is frozen for longer than its lease, and wakes"""
    if (worker := scene.busy_worker()) is None:
        return False
    with _frozen(scene, "stop worker", worker), contextlib.suppress(ProcessLookupError):
        worker.signal_group(signal.SIGSTOP)
        lasting(scene.beyond_the_lease)
        worker.signal_group(signal.SIGCONT)
    return True


@fault("end worker", hits="worker")
def end_worker(scene: Scene) -> bool:
    """A worker with claimed jobs gets SIGTERM, and leaves in order"""
    if (worker := scene.busy_worker()) is None:
        return False
    with scene.harm("end worker", worker.pid):
        worker.signal(signal.SIGTERM)
        assert worker.wait(60) in {0, -signal.SIGKILL}, worker.log_tail()
    return True


@fault("kill producer", hits="producer")
def kill_producer(scene: Scene) -> bool:
    """A producer is killed with -9 right after it has sent something"""
    if (producer := scene.busy_producer()) is None:
        return False
    with scene.harm("kill producer", producer.pid):
        producer.kill()
    return True


def _signalled(pid: int, number: signal.Signals) -> bool:
    """Signal one process; False if it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _frozen(scene: Scene, fault: str, worker: WorkerProcess) -> contextlib.ExitStack:
    """Note a freeze; a process frozen inside SQLite keeps everybody from writing, so it freezes the database."""
    stack = contextlib.ExitStack()
    stack.enter_context(scene.harm(fault, worker.pid))
    if scene.ground.postgres is None:
        stack.enter_context(scene.harm(fault, "database"))
    return stack


FAULTS = (kill_child, stop_child, kill_worker, stop_worker, end_worker, kill_producer)
