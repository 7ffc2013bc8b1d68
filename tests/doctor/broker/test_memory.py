"""Processes of a pool that grow: real ones, beside a main process that a live worker's row names."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from holdfast.doctor.probes import memory
from holdfast.ledger import workers
from tests.doctor.broker.clinic import Clinic

# A main process whose child takes so many MiB, says so, and stays until its stdin closes.
_POOL = """
import os, sys
heard, told = os.pipe()
if os.fork() == 0:
    kept = bytearray(int(sys.argv[1]) * 2**20)
    for place in range(0, len(kept), 4096):
        kept[place] = 1
    os.write(told, b"x")
    sys.stdin.read()
else:
    os.read(heard, 1)
    print("ready", flush=True)
    sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is read from /proc")


@pytest.fixture
def pool(request: pytest.FixtureRequest, ledger: str) -> Iterator[int]:
    """A live worker by the ledger, and its processes; the parameter is what the child takes."""
    command = [sys.executable, "-c", _POOL, str(request.param)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        workers.register(
            workers.Incarnation(
                id=uuid4(),
                name="celery@here",
                host=socket.gethostname(),
                pid=process.pid,
                pool="prefork",
                concurrency=1,
                queues=["celery"],
            )
        )
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize("pool", [260], indirect=True)
def test_process_that_has_grown_is_told(clinic: Clinic, pool: int, ledger_url: str) -> None:
    environment = {"TEST_DATABASE_URL": ledger_url}
    (child,) = memory._children(pool)
    found = clinic.doctor("--only", "W520", environment=environment).of("W520")
    assert f"Process {child} of celery@here" in found["evidence"]
    assert found["data"]["grown"] >= 200 * memory.MIB
    # A bound that replaces it is enough.
    bounded = {"worker_max_memory_per_child": 2_000_000}
    assert clinic.doctor("--only", "W520", celery=bounded, environment=environment).ids == set()


@pytest.mark.parametrize("pool", [20], indirect=True)
def test_process_that_has_not_is_passed_by_in_silence(
    clinic: Clinic, pool: int, ledger_url: str
) -> None:
    seen = clinic.doctor("--only", "W520", environment={"TEST_DATABASE_URL": ledger_url})
    assert (seen.ids, "pools_stay_small" in seen.said["asked"]) == (set(), True), seen.told()


def test_pace_is_told_of_a_process_that_has_settled() -> None:
    young = memory.Process(1, 400 * memory.MIB, 300 * memory.MIB, 5.0)
    assert memory._pace(young) == ""
    old = young._replace(age_seconds=7200.0)
    assert memory._pace(old).startswith(": 150 MiB an hour, 1024 MiB in 4")
    assert memory._pace(old._replace(used=2048 * memory.MIB)) == ": 150 MiB an hour"


@pytest.mark.parametrize(
    ("celery", "found"),
    [
        ({}, True),
        ({"worker_max_tasks_per_child": 1000}, False),
        ({"worker_max_memory_per_child": 512_000}, False),
        ({"worker_pool": "threads"}, False),
    ],
)
def test_pool_without_bounds_is_on_the_checklist(
    clinic: Clinic, celery: dict[str, object], found: bool
) -> None:
    seen = clinic.doctor("--only", "W521", "--deploy", celery=celery)
    assert ("W521" in seen.ids) is found
