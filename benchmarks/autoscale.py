"""A load step on workers that scale their pools: how much waits, and how many slots there are, second by second.

`python -m benchmarks.autoscale` writes `benchmarks/results/autoscale.json` and `docs/images/autoscaling.svg`: two
prefork workers with `--autoscale=10,2` on PostgreSQL, jobs that sleep for 0.1 s, and a load that goes up and down.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from contextlib import ExitStack
from itertools import accumulate
from typing import Any

import psutil

from benchmarks import machine
from benchmarks.autoscale_drawing import drawing
from benchmarks.stand import QUIET_WORKER, Contender, Stand
from holdfast.ledger.states import State
from holdfast.testing.child import Child

RESULTS = machine.ROOT / "benchmarks" / "results" / "autoscale.json"
PICTURE = machine.ROOT / "docs" / "images" / "autoscaling.svg"
APP = "benchmarks.project.durable"
COMMAND = ("-m", "celery", "-A", APP, "worker", "-P", "prefork", "--autoscale=10,2")
NAP_SECONDS = 0.1
WORKERS = 2
# Seconds, and jobs a second: one slot does ten of them.
LOAD = ((20.0, 20), (40.0, 150), (60.0, 20))
COOLDOWN_SECONDS = 15.0
SAMPLE_SECONDS = 0.5
_SENDER = """
import json, sys, time, django
django.setup()
from benchmarks.project.durable import app
from benchmarks.project.tasks import nap
due = time.monotonic()
for seconds, rate in json.loads(sys.argv[1]):
    until = due + seconds
    while due < until:
        time.sleep(max(0.0, due - time.monotonic()))
        nap.apply_many([(float(sys.argv[2]),)] * (rate // 10))
        due += 0.1
"""
_SLOTS = "SELECT coalesce(sum(concurrency), 0) FROM holdfast_worker WHERE lost_at IS NULL"
_WAITING = f"SELECT count(*) FROM holdfast_job WHERE state = {int(State.QUEUED)}"
_LEFT = f"SELECT count(*) FROM holdfast_job WHERE state < {int(State.SUCCEEDED)}"
_ENDS = """
SELECT count(*), sum(attempts), sum(failures + losses),
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - recorded_at))
  FROM holdfast_job WHERE state = 3
"""


def main() -> None:
    """Run the step, print and write what was seen."""
    with Stand({"postgres"}) as stand:
        found = step(stand)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    PICTURE.write_text(drawing(found))
    print(json.dumps({key: value for key, value in found.items() if key != "samples"}, indent=1))


def step(stand: Stand) -> dict[str, Any]:
    """Send the load to the workers; return what was seen, and when."""
    contender = Contender(name="autoscale", app=APP, database="postgres")
    settings = {"autoscale_cooldown_seconds": COOLDOWN_SECONDS}
    environment = stand.environment(contender) | {"BENCH_HOLDFAST": json.dumps(settings)}
    with ExitStack() as stack, machine.watched() as others:
        crew = [
            Child(
                [sys.executable, *COMMAND, "-n", f"w{number}@%h", *QUIET_WORKER],
                log=stand.directory / f"w{number}.log",
                environment=environment,
            )
            for number in range(WORKERS)
        ]
        for child in crew:
            stack.callback(child.end_family)
        connection = stack.enter_context(stand.connected())
        _await(lambda: connection.execute(_SLOTS).fetchone()[0] == 2 * WORKERS, seconds=60)
        sender = Child(
            [sys.executable, "-c", _SENDER, json.dumps(LOAD), str(NAP_SECONDS)],
            log=stand.directory / "sender.log",
            environment=environment,
        )
        stack.callback(sender.end_family)
        samples = _watched(connection, crew)
        ended, attempts, failures, (p50, p95) = connection.execute(_ENDS).fetchone()
        for child in crew:
            child.send(signal.SIGTERM)
            child.wait(timeout=30)
    return {
        "machine": {"cores": psutil.cpu_count(), "others": round(others.share, 2)},
        "workers": WORKERS,
        "flags": "--autoscale=10,2",
        "cooldown_seconds": COOLDOWN_SECONDS,
        "nap_seconds": NAP_SECONDS,
        "load": [{"seconds": seconds, "jobs_per_second": rate} for seconds, rate in LOAD],
        "jobs": ended,
        "attempts": int(attempts),
        "failures_and_losses": int(failures),
        "latency_p50": round(p50, 2),
        "latency_p95": round(p95, 2),
        **_figures(samples),
        "samples": samples,
    }


def _watched(connection: Any, crew: list[Child]) -> list[dict[str, float]]:
    """Look twice a second, until the load is over, all is done and the pools are small again."""
    begun = time.monotonic()
    over, longest = sum(seconds for seconds, _ in LOAD), 3 * COOLDOWN_SECONDS + 60
    samples: list[dict[str, float]] = []
    while (at := time.monotonic() - begun) < over + longest:
        slots = int(connection.execute(_SLOTS).fetchone()[0])
        samples.append(
            {
                "at": round(at, 1),
                "waiting": int(connection.execute(_WAITING).fetchone()[0]),
                "slots": slots,
                "processes": sum(_processes(child.pid) for child in crew),
            }
        )
        if at > over and slots == 2 * WORKERS and not connection.execute(_LEFT).fetchone()[0]:
            return samples
        time.sleep(SAMPLE_SECONDS)
    raise TimeoutError(f"not over after {over + longest:.0f} s: {samples[-1]}")


def _figures(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return what the picture shows, in figures: seconds after the step up, and after the step down."""
    up, down = list(accumulate(seconds for seconds, _ in LOAD))[:2]
    most = max(sample["slots"] for sample in samples)
    after_up = [sample for sample in samples if sample["at"] >= up]
    after_down = [sample for sample in samples if sample["at"] >= down]
    return {
        "most_waiting": max(sample["waiting"] for sample in samples),
        "most_slots": most,
        "most_processes": max(sample["processes"] for sample in samples),
        "first_growth_seconds": round(_first(after_up, 2 * WORKERS + 1) - up, 1),
        "full_size_seconds": round(_first(after_up, most) - up, 1),
        "small_again_seconds": round(
            next(one["at"] for one in after_down if one["slots"] == 2 * WORKERS) - down, 1
        ),
    }


def _first(samples: list[dict[str, float]], slots: float) -> float:
    return next(sample["at"] for sample in samples if sample["slots"] >= slots)


def _processes(pid: int) -> int:
    try:
        return len(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return 0


def _await(fact: Any, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            raise TimeoutError("the workers did not start")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
