"""How each figure of a system is taken, from an empty ground."""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import quantiles

import redis

from benchmarks.peers.catalogue import System
from benchmarks.peers.client import PACE_SECONDS
from benchmarks.peers.ground import Ground

BEGIN_SHARE = 0.05
PATIENCE_SECONDS = 60.0
LOOPED, IN_BULK, PACED, SETTLING = 1000, 5000, 120, 20
KILLED_CAP_SECONDS = 60.0
TRICKLE_SECONDS = 2.0
RESTART_SECONDS = 1.0
QUEUED, DONE_FIRST = 1000, 100
# Without another job for so long nothing comes any more; Holdfast's bound for a wiped broker is less.
STILL_SECONDS = 25.0

Figures = dict[str, float | None]


def throughput(ground: Ground, system: System) -> Figures:
    """Return the rates of a drain and of both ways to send, and latencies with the worker that has drained."""
    found: Figures = {}
    ground.clear(system)
    found["loop"] = ground.send(system, "noop", way="loop", count=LOOPED, warm=True)
    if system.bulk:
        ground.clear(system)
        found["bulk"] = ground.send(system, "noop", way="bulk", count=IN_BULK, warm=True)
    ground.clear(system)
    ground.send(system, "noop", way="bulk" if system.bulk else "loop", count=system.jobs)
    with ground.workers(system):
        first = ground.await_ran(int(system.jobs * BEGIN_SHARE), seconds=PATIENCE_SECONDS)
        begun = time.monotonic()
        ground.await_ran(system.jobs, seconds=PATIENCE_SECONDS)
        found["drain"] = (system.jobs - first) / (time.monotonic() - begun)
        ground.send(system, "timed", way="paced", count=SETTLING + PACED)
        ground.await_ran(system.jobs + SETTLING + PACED, seconds=PATIENCE_SECONDS)
    times = [float(text) * 1000 for text in ground.ran.lrange("latencies", SETTLING, -1)]
    hundredths = quantiles(times, n=100, method="inclusive")
    found["p50"], found["p99"] = hundredths[49], hundredths[98]
    return found


def killed(ground: Ground, system: System) -> Figures:
    """Kill -9 a whole worker in the middle of a job: seconds until the job begins again; None: not within the cap.

    A new worker is started a second later, and a short job is sent every two seconds, since some systems look for
    what is lost only when there is something to do.
    """
    ground.clear(system)
    with ExitStack() as stack:
        children = ground.start(system)
        try:
            ground.send(system, "noop", way="loop", count=1)
            ground.await_ran(1, seconds=PATIENCE_SECONDS)
            ground.send(system, "slow", way="loop", count=1)
            _await_begun(ground, 1, seconds=PATIENCE_SECONDS)
        finally:
            ground.kill(children)
        lost_at = time.monotonic()
        time.sleep(RESTART_SECONDS)
        stack.enter_context(ground.workers(system))
        while time.monotonic() - lost_at < KILLED_CAP_SECONDS:
            ground.send(system, "noop", way="loop", count=1)
            if _await_begun(ground, 2, seconds=TRICKLE_SECONDS):
                return {"killed": time.monotonic() - lost_at}
    return {"killed": None}


def wiped(ground: Ground, system: System) -> Figures:
    """Wipe the broker with most of 1,000 jobs still queued: how many of them run all the same, and how many there were.

    A system that needs no Redis has nothing to wipe.
    """
    if not system.on_redis:
        return {}
    ground.clear(system)
    ground.send(system, "nap", way="bulk" if system.bulk else "loop", count=QUEUED)
    with ground.workers(system):
        ground.await_ran(DONE_FIRST, seconds=PATIENCE_SECONDS)
        ground.flush()
        at_wipe = int(ground.ran.get("ran"))
        ran, since = at_wipe, time.monotonic()
        while ran < QUEUED and time.monotonic() - since < STILL_SECONDS:
            time.sleep(0.1)
            now = int(ground.ran.get("ran"))
            if now != ran:
                ran, since = now, time.monotonic()
    return {"wiped_ran": float(ran - at_wipe), "wiped_queued": float(QUEUED - at_wipe)}


def offered_load() -> str:
    """Name the load under which latencies are taken."""
    return f"{1 / PACE_SECONDS:.0f} jobs/s"


def _await_begun(ground: Ground, count: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    driver: redis.Redis = ground.ran
    while time.monotonic() < deadline:
        if int(driver.llen("begun")) >= count:
            return True
        time.sleep(0.01)
    return False
