"""Deploys in the middle of the load: workers are replaced one by one, by another version of the project."""

from __future__ import annotations

import signal
from itertools import count

from tests.chaos.faults.scene import BOTH, Fault, Scene
from tests.eventually import eventually
from tests.processes import WorkerProcess

VERSION = "CHAOS_VERSION"
_versions = count(2)


def _roll(name: str, what: str, *, new_first: bool) -> Fault:
    def strike(scene: Scene) -> bool:
        if not scene.await_work(lambda: scene.ground.known(scene.busy_workers())):
            return False
        version = str(next(_versions))
        for old in scene.ground.known(scene.ready_workers()):
            new = _start(scene, old, version) if new_first else None
            with scene.harm("end worker", old.pid):
                old.signal(signal.SIGTERM)
                assert old.wait(60) in {0, -signal.SIGKILL}, old.log_tail()
            if new is None:
                _start(scene, old, version)
        return True

    return Fault(name, strike, BOTH, "worker", what)


def _start(scene: Scene, old: WorkerProcess, version: str) -> WorkerProcess:
    new = scene.ground.another(old, **{VERSION: version})
    scene.workers.append(new)

    def takes_jobs() -> bool:
        # Whoever looks after the site may have ended meanwhile, and everything with it.
        return new.has_said(" ready.") or not new.running

    eventually(takes_jobs, within=60, told=f"worker {new.pid} of version {version} is ready")
    return new


FAULTS = (
    _roll(
        "roll workers",
        "A rolling deploy: for each worker another one of the next version starts, then the old one gets SIGTERM",
        new_first=True,
    ),
    _roll(
        "replace workers",
        "A deploy without a surplus: each worker gets SIGTERM, and one of the next version starts when it has ended",
        new_first=False,
    ),
)
