"""A real supervisord with the rendered configuration and a real worker: what it starts again, how long a stop waits."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.deploy import described, rendered
from holdfast.deploy.facts import Facts
from holdfast.ledger.models import Worker
from tests.deploy.files import ROOT
from tests.deploy.tools import tool
from tests.eventually import eventually
from tests.harness import Site, new_site

pytestmark = pytest.mark.services
Control = Callable[..., "subprocess.Popen[str]"]
_OWN = """
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}

[unix_http_server]
file={folder}/socket

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{folder}/socket

[include]
files={folder}/shop.conf
"""


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("sqlite", request) as site:
        yield site


def _configuration(folder: Path) -> str:
    """Return what is rendered for a project whose environment is ours and whose logs are here."""
    (folder / "venv").symlink_to(Path(sys.executable).parent.parent)
    (folder / "current").symlink_to(ROOT)
    asked = {
        "name": "shop",
        "settings": "tests.settings",
        "folder": str(folder),
        "user": getpass.getuser(),
        "pools": {"worker": {"concurrency": 2}},
    }
    facts = Facts(
        app="tests.project", settings="", folder=ROOT, asgi="x:y", servers=("uvicorn",), asked=asked
    )
    (text,) = rendered("supervisor", described(facts)).values()
    for other in ("web", "scheduler"):
        text = text.replace(f"[program:shop-{other}]", f"[program:shop-{other}]\nautostart=false")
    return text.replace("/var/log/shop", str(folder)).replace("startsecs=10", "startsecs=1")


@pytest.fixture
def control(site: Site, tmp_path: Path) -> Iterator[Control]:
    """`supervisorctl` for a supervisord that runs the worker."""
    # A path of a socket is short.
    folder = Path(os.path.realpath(tmp_path))
    (folder / "shop.conf").write_text(_configuration(folder))
    (folder / "own.conf").write_text(_OWN.format(folder=folder))
    daemon = subprocess.Popen(
        [tool("supervisord"), "-c", str(folder / "own.conf")],
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def control(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [tool("supervisorctl"), "-c", str(folder / "own.conf"), *words],
            stdout=subprocess.PIPE,
            text=True,
        )

    try:
        eventually(lambda: "RUNNING" in _said(control("status", "shop:shop-worker")))
        yield control
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        finally:
            daemon.kill()


def _said(asked: subprocess.Popen[str]) -> str:
    return asked.communicate(timeout=60)[0]


def _log(folder: Path) -> str:
    log = folder / "worker.log"
    return log.read_text() if log.exists() else ""


def _next_heartbeat(site: Site) -> None:
    """Return when the worker has renewed its lease once more, a second later or so."""
    workers = Worker.objects.using(site.alias)
    before = workers.get().lease_until
    eventually(lambda: workers.get().lease_until != before)


def test_stop_waits_for_the_job_that_runs(site: Site, control: Control, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    sent = site.task("wait_for_file").delay(str(gate), "last")
    eventually(lambda: "start last" in site.effects())

    stopping = control("stop", "shop:shop-worker")
    eventually(lambda: "Warm shutdown" in _log(tmp_path))
    for _ in range(3):
        _next_heartbeat(site)
    assert stopping.poll() is None
    assert "STOPPING" in _said(control("status", "shop:shop-worker"))
    gate.touch()

    assert "stopped" in _said(stopping)
    assert site.states()[sent.id] == "succeeded"
    row = site.jobs()[sent.id]
    assert (row.failures, row.losses) == (0, 0)


def test_worker_that_was_killed_is_started_again(
    site: Site, control: Control, tmp_path: Path
) -> None:
    def pid() -> int:
        return int(_said(control("pid", "shop:shop-worker")))

    first = pid()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: pid() not in {0, first})
    sent = site.task("effect").delay("after")
    assert sent.get(timeout=60)
