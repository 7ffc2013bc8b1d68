"""Flower, as the profile `monitoring` starts it, beside a real worker with the flags of the rendered commands."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.services import free_port
from tests.deploy.tools import tool
from tests.eventually import eventually
from tests.harness import Site, new_site

pytestmark = pytest.mark.services
_FLAGS = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--task-events")


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("sqlite", request) as site:
        yield site


@pytest.fixture
def flower(site: Site, tmp_path: Path) -> Iterator[str]:
    """Its address."""
    port = free_port()
    celery = Path(tool("supervisord")).with_name("celery")
    log = (tmp_path / "flower.log").open("w")
    process = subprocess.Popen(
        [
            str(celery),
            f"--broker={site.broker_url}",
            "flower",
            "--address=127.0.0.1",
            f"--port={port}",
        ],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "FLOWER_BASIC_AUTH": "somebody:secret"},
        stdout=log,
        stderr=log,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: _ask(address, "/healthcheck", password=None) in {200, 401})
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def _ask(address: str, path: str, *, password: str | None = "somebody:secret") -> Any:
    """Return what it says, or the number of its refusal."""
    request = urllib.request.Request(address + path)
    if password:
        request.add_header("Authorization", f"Basic {base64.b64encode(password.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if path.startswith("/api") else answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return None


def test_flower_shows_durable_jobs_and_asks_for_its_password(site: Site, flower: str) -> None:
    site.worker(*_FLAGS)
    sent = site.task("effect").delay("seen")
    assert sent.get(timeout=60)

    eventually(lambda: _known(flower, f"/api/task/info/{sent.id}").get("state") == "SUCCESS")
    eventually(lambda: _known(flower, "/api/workers?refresh=1"))
    assert _ask(flower, "/api/tasks", password=None) == 401
    assert _ask(flower, "/api/tasks", password="somebody:else") == 401


def _known(address: str, path: str) -> dict[str, Any]:
    """Return what it knows by now."""
    said = _ask(address, path)
    return said if isinstance(said, dict) else {}
