"""How one figure of one contender is taken, from an empty stand; every trial returns its metrics by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

import psutil

from benchmarks.sender import PACE_SECONDS, WARM_UP
from benchmarks.stand import Contender, Stand

Metrics = Mapping[str, float]
BEGIN_SHARE = 0.05
PATIENCE_SECONDS = 90.0
SETTLED_SECONDS = 2.0
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One contender and what is asked of it."""

    name: str
    contender: Contender
    measure: Callable[[Stand, Contender], Metrics]


def drain(
    *, task: str, count: int, pool: str = "prefork", slots: int = 2, way: str | None = None
) -> Callable[..., Metrics]:
    """Queue `count` jobs, start a worker, and take the rate from 5 % to 100 % done.

    Both systems are watched by the same counter. A ledger's run is over only when all its rows are final.
    """

    def measure(stand: Stand, contender: Contender) -> Metrics:
        bulk = "bulk" if contender.durable else "loop"
        stand.send(contender, task=task, way=way or bulk, count=count)
        with stand.worker(contender, pool=pool, slots=slots):
            first = stand.await_ran(max(1, int(count * BEGIN_SHARE)), seconds=PATIENCE_SECONDS)
            begun = time.monotonic()
            stand.await_ran(count, seconds=PATIENCE_SECONDS)
            if contender.durable and task != "fleeting":
                stand.await_all_final(contender, count, seconds=10)
            rate = (count - first) / (time.monotonic() - begun)
        if (ran := stand.await_ran(count, seconds=0)) != count:
            raise RuntimeError(f"{contender.name}: {ran} runs of {count} jobs")
        return {"rate": rate}

    return measure


def dispatch(*, way: str, count: int, task: str = "noop") -> Callable[..., Metrics]:
    """Send from one fresh process, no worker beside it; its first send, which connects, is not timed."""

    def measure(stand: Stand, contender: Contender) -> Metrics:
        return {"rate": stand.send(contender, task=task, way=way, count=count, warm=True)}

    return measure


def latency(*, count: int) -> Callable[..., Metrics]:
    """Send one job every 20 ms to an idle worker: time from before the call to the first line of the body."""

    def measure(stand: Stand, contender: Contender) -> Metrics:
        with stand.worker(contender, pool="prefork", slots=2):
            stand.send(contender, task="timed", way="loop", count=1)
            stand.await_ran(1, seconds=30)
            stand.send(contender, task="timed", way="paced", count=count)
            stand.await_ran(1 + WARM_UP + count, seconds=30)
        times = sorted(float(text) * 1000 for text in stand.ran.lrange("latencies", 0, -1))
        # The single send's argument is 0, as the warm-up's: neither is among the times.
        return percentiles(times)

    return measure


def memory(*, count: int, pool: str, slots: int) -> Callable[..., Metrics]:
    """Drain `count` jobs, wait until the worker is idle, and add up what its processes take (PSS)."""

    def measure(stand: Stand, contender: Contender) -> Metrics:
        way = "bulk" if contender.durable else "loop"
        stand.send(contender, task="noop", way=way, count=count)
        with stand.worker(contender, pool=pool, slots=slots) as child:
            stand.await_ran(count, seconds=PATIENCE_SECONDS)
            time.sleep(SETTLED_SECONDS)
            parent = psutil.Process(child.pid)
            main = parent.memory_full_info().pss / MIB
            pool_sizes = [each.memory_full_info().pss / MIB for each in parent.children()]
        total = main + sum(pool_sizes)
        return {
            "main": main,
            "child": sum(pool_sizes) / max(1, len(pool_sizes)),
            "process": total / (1 + len(pool_sizes)),
        }

    return measure


def percentiles(times: Sequence[float]) -> Metrics:
    """Return the p50 and the p99."""
    hundredths = quantiles(sorted(times), n=100, method="inclusive")
    return {"p50": hundredths[49], "p99": hundredths[98]}


def offered_load() -> str:
    """Name the load under which latencies are taken."""
    return f"{1 / PACE_SECONDS:.0f} jobs/s"
