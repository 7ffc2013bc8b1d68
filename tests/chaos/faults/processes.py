"""Faults of workers and their pools: killed, frozen, asked to leave, out of memory."""

from __future__ import annotations

import contextlib
import os
import resource
import signal

import psutil

from tests.chaos import tasks
from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import lasting
from tests.eventually import eventually
from tests.processes import SiteProcess

# What a process under a limit may still allocate: less than a hungry body wants.
SPARE = 8 << 20


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
    with frozen(scene, "stop child", worker):
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
    with frozen(scene, "stop worker", worker), contextlib.suppress(ProcessLookupError):
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


@fault("rush worker", hits="worker")
def rush_worker(scene: Scene) -> bool:
    """A worker with claimed jobs gets SIGTERM, and is killed with -9 before it has left, as after a short grace"""
    if (worker := scene.busy_worker()) is None:
        return False
    with scene.harm("rush worker", worker.pid):
        worker.signal(signal.SIGTERM)
        lasting(scene.rng.uniform(0, 0.6))
        worker.kill()
    return True


@fault("quit worker", hits="worker")
def quit_worker(scene: Scene) -> bool:
    """A worker with claimed jobs gets SIGQUIT, Celery's cold shutdown"""
    if (worker := scene.busy_worker()) is None:
        return False
    with scene.harm("quit worker", worker.pid):
        worker.signal(signal.SIGQUIT)
        worker.wait(60)
    return True


@fault("kill main process", hits="worker")
def kill_main(scene: Scene) -> bool:
    """The main process of a prefork worker is killed with -9 while its pool runs bodies"""
    if (found := scene.busy_child()) is None:
        return False
    worker, _ = found
    children = worker.pids()
    with scene.harm("kill main process", worker.pid):
        if not _signalled(worker.pid, signal.SIGKILL):
            return False
        worker.wait(10)
        eventually(
            lambda: not any(psutil.pid_exists(child) for child in children),
            within=40,
            told=f"the pool {children} of a worker that is gone has ended",
        )
    return True


@fault("end child", hits="worker")
def end_child(scene: Scene) -> bool:
    """A process of a pool gets SIGTERM while it runs a body"""
    if (found := scene.busy_child()) is None:
        return False
    worker, child = found
    with scene.harm("end child", worker.pid):
        return _signalled(child, signal.SIGTERM)


@fault("starve child", hits="worker")
def starve_child(scene: Scene) -> bool:
    """A body allocates more than its process's RLIMIT_AS allows, and takes the process with it"""
    if not scene.ground.known(scene.ready_workers()):
        return False
    hungry = scene.ground.task(tasks.hungry)
    sent = [scene.work.asked(hungry.delay).id for _ in range(4)]
    found = scene.choose(
        lambda: [
            (worker, child)
            for worker in scene.ready_workers()
            for child in scene.work.bodies(worker, of=sent) - {worker.pid}
        ]
    )
    if found is None:
        return False
    worker, child = found
    with scene.harm("starve child", worker.pid):
        try:
            used = psutil.Process(child).memory_info().vms
            resource.prlimit(child, resource.RLIMIT_AS, (used + SPARE, resource.RLIM_INFINITY))
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False
        try:
            # It ends with its process, or with the body: the next one in this process has done nothing to deserve it.
            scene.await_work(lambda: child not in scene.work.bodies(worker, of=sent), patience=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(child, resource.RLIMIT_AS, free)
        return bool(scene.await_work(lambda: not psutil.pid_exists(child), patience=0.5))


def _signalled(pid: int, number: signal.Signals) -> bool:
    """Signal one process; False if it is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def frozen(scene: Scene, fault: str, process: SiteProcess) -> contextlib.ExitStack:
    """Note a freeze; a process frozen inside SQLite keeps everybody from writing, so it freezes the database."""
    stack = contextlib.ExitStack()
    stack.enter_context(scene.harm(fault, process.pid))
    if scene.ground.postgres is None:
        stack.enter_context(scene.harm(fault, "database"))
    return stack


FAULTS = (
    kill_child,
    stop_child,
    end_child,
    starve_child,
    kill_worker,
    stop_worker,
    end_worker,
    rush_worker,
    quit_worker,
    kill_main,
)
