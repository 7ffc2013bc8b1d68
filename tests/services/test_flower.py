"""Flower started with the project's app: it sees workers and queues, and what it sends is a job of the ledger.

Without the app, as the deploy files start it, it is in tests/deploy.
"""

from __future__ import annotations

import base64
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.ports import free_port
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import ROOT, SiteProcess, WorkerProcess
from tests.services.asked import needs

pytestmark = needs("flower")
# `.ci/test-services` puts it beside the environment.
FLOWER = Path(os.environ.get("TEST_FLOWER", ROOT / ".venv" / "flower"))
ACCOUNT = "ada:only for this test"


class Flower:
    """A running Flower; its API as somebody who may use it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path: str, body: object = None) -> Any:
        """Return the answer of one address; with a body it is posted."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", data=data)  # our own
        request.add_header("Authorization", f"Basic {base64.b64encode(ACCOUNT.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            said = answer.read().decode()
        return json.loads(said) if said.startswith(("{", "[")) else said


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("sqlite", request) as site:
        yield site


@pytest.fixture(scope="module")
def worker(site: Site) -> WorkerProcess:
    return site.worker("-E", concurrency=1)


@pytest.fixture(scope="module")
def flower(site: Site, worker: WorkerProcess) -> Iterator[Flower]:
    if not FLOWER.exists():
        pytest.fail(f"Flower is not in {FLOWER}: `make test-services` installs it")
    port = free_port()
    command = [
        "-m",
        "celery",
        "-A",
        "tests.project",
        "flower",
        "--address=127.0.0.1",
        f"--port={port}",
    ]
    process = SiteProcess(
        [*command, f"--basic-auth={ACCOUNT}"],
        log=site.directory / "flower.log",
        environment=site.environment | {"PYTHONPATH": f"{FLOWER}:{ROOT}"},
    )
    flower = Flower(port)

    def sees_the_worker() -> bool:
        try:
            return bool(flower.ask("/api/workers?refresh=1"))
        except OSError:
            return False

    eventually(sees_the_worker, within=60, every=0.5, told="Flower sees the worker")
    yield flower
    process.kill()


def test_workers_and_queues_are_seen(flower: Flower) -> None:
    ((_, seen),) = flower.ask("/api/workers?refresh=1").items()
    assert "tests.project.tasks.add" in seen["registered"]
    assert [queue["name"] for queue in seen["active_queues"]] == ["celery"]
    assert flower.ask("/api/queues/length") == {
        "active_queues": [{"name": "celery", "messages": 0}]
    }


def test_what_it_sends_is_a_job_of_the_ledger(site: Site, flower: Flower) -> None:
    sent = flower.ask("/api/task/async-apply/tests.project.tasks.add", {"args": [4, 5]})
    site.wait_all_final()
    assert site.states()[sent["task-id"]] == "succeeded"
    assert site.result(sent["task-id"]).get(timeout=10) == 9
