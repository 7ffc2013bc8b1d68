"""Items of the deployment checklist that settings tell, by the command as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from uuid import uuid4

import psycopg
import pytest

from holdfast.ledger import workers
from holdfast.testing.services import PostgresServer
from tests.doctor.broker.clinic import NOWHERE, Clinic

pytestmark = pytest.mark.short_on("postgres")


@pytest.mark.parametrize(
    ("celery", "found"),
    [
        ({}, True),
        ({"worker_max_tasks_per_child": 1000}, False),
        ({"worker_max_memory_per_child": 512_000}, False),
        ({"worker_pool": "threads"}, False),
    ],
)
def test_pool_without_bounds(clinic: Clinic, celery: dict[str, object], found: bool) -> None:
    seen = clinic.doctor("--only", "W521", "--deploy", celery=celery)
    assert ("W521" in seen.ids) is found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://:some-word@redis.invalid:6379/0", True),
        ("rediss://:some-word@redis.invalid:6379/0?ssl_cert_reqs=required", False),
        (NOWHERE, False),
    ],
)
def test_way_to_the_broker_in_clear(clinic: Clinic, url: str, found: bool) -> None:
    seen = clinic.doctor("--only", "W731", "--deploy", broker=url)
    assert ("W731" in seen.ids) is found
    assert "some-word" not in str(seen.said)


@pytest.mark.parametrize(("shell", "found"), [("bash", True), (sys.executable, False)])
def test_worker_that_a_shell_has_started(
    clinic: Clinic, ledger: str, ledger_url: str, shell: str, found: bool
) -> None:
    code = {
        "bash": "sleep 100 & echo $!; wait",
        sys.executable: "import subprocess as s; p = s.Popen(['sleep', '100']); print(p.pid, flush=True); p.wait()",
    }
    with subprocess.Popen([shell, "-c", code[shell]], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        workers.register(
            workers.Incarnation(
                id=uuid4(),
                name="celery@here",
                host=socket.gethostname(),
                pid=pid,
                pool="prefork",
                concurrency=1,
                queues=["celery"],
            )
        )
        seen = clinic.doctor(
            "--only", "W522", "--deploy", environment={"TEST_DATABASE_URL": ledger_url}
        )
        os.kill(pid, signal.SIGKILL)
    assert ("W522" in seen.ids, "workers_have_a_supervisor" in seen.said["asked"]) == (found, True)
    assert not found or f"process {pid}) is a child of bash" in seen.of("W522")["evidence"]


def test_database_that_nobody_copies(clinic: Clinic, postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("uncopied")
    words, environment = ("--only", "W732", "--deploy"), {"TEST_DATABASE_URL": url}
    assert (
        "archive_mode is off"
        in clinic.doctor(*words, environment=environment).of("W732")["evidence"]
    )
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SELECT pg_create_physical_replication_slot('standby')")
        try:
            seen = clinic.doctor(*words, environment=environment)
        finally:
            owner.execute("SELECT pg_drop_replication_slot('standby')")
    assert "W732" not in seen.ids, seen.told()
