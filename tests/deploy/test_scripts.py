"""The scripts among the files, run for real: variables, ends, signs of life, and Redis with its configuration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis

from holdfast.testing.services import find_redis_server
from tests.deploy.files import ROOT, Files
from tests.eventually import eventually

needs_bash = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")


def _run(
    script: Path | str, *words: str, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_bash
def test_variables_of_compose_are_turned_into_this_machines() -> None:
    show = f". nix/scripts/environment.sh; {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = _run("bash", "-c", show, folder=ROOT, STATE="/state")
    given = json.loads(done.stdout)
    assert given["POSTGRES_HOST"] == "127.0.0.1"
    assert given["CELERY_BROKER_URL"] == "redis://127.0.0.1:6379/0"
    assert given["CACHE_URL"] == "redis://127.0.0.1:6379/2"
    assert given["JOST_DATA_DIR"] == "/state"
    assert given["CELERY_BEAT_SCHEDULE_FILENAME"] == "/state/celerybeat-schedule.db"
    assert given["API_HOST"] == "localhost; app"
    assert given["NIX_DAPHNE_PORT"] == "8081"
    assert given["DJANGO_SETTINGS_MODULE"] == "jost.settings.production"


@pytest.fixture
def left_behind(
    tmp_path: Path,
) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """One process that the stack has left behind, and one of somebody else's, whose number is written down, too."""
    (tmp_path / "pids").mkdir()
    sleep = "import time; time.sleep(600)"
    ours = subprocess.Popen([sys.executable, "-c", sleep, "celery"])
    other = subprocess.Popen([sys.executable, "-c", sleep])
    (tmp_path / "pids" / "worker").write_text(f"{ours.pid}\n")
    (tmp_path / "pids" / "gone").write_text(f"{other.pid}\n")
    yield ours, other
    for process in (ours, other):
        process.kill()
        process.wait()


@needs_bash
@pytest.mark.skipif(not shutil.which("ps"), reason="ps is not installed")
def test_only_what_the_stack_started_is_ended(
    tmp_path: Path, left_behind: tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]
) -> None:
    ours, other = left_behind
    done = _run(ROOT / "nix" / "scripts" / "kill-services.sh", folder=tmp_path, STATE=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert f"ending worker (process {ours.pid})" in done.stdout
    assert ours.wait(timeout=10) == -15
    assert other.poll() is None
    assert list((tmp_path / "pids").iterdir()) == []


@pytest.mark.parametrize("variable", ["HOLDFAST_ALIVE_FILE", "HOLDFAST_SCHEDULER_ALIVE_FILE"])
def test_young_file_is_a_sign_of_life_and_an_old_one_is_not(tmp_path: Path, variable: str) -> None:
    script, file = ROOT / "deploy" / "alive.sh", tmp_path / "alive"

    def alive() -> bool:
        return _run("sh", str(script), folder=tmp_path, **{variable: str(file)}).returncode == 0

    assert not alive()
    file.touch()
    assert alive()
    os.utime(file, (time.time() - 120, time.time() - 120))
    assert not alive()


class _Page(BaseHTTPRequestHandler):
    status = 200
    hosts: list[str | None] = []

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(("status", "alive"), [(200, True), (503, False)])
def test_web_process_is_asked_for_a_page_by_a_name_it_allows(
    tmp_path: Path, status: int, alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Page, "status", status)
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        port = str(server.server_address[1])
        done = _run("sh", str(ROOT / "deploy" / "alive.sh"), folder=tmp_path, PORT=port, PATH=path)
        server.shutdown()
    assert (done.returncode == 0) is alive
    assert _Page.hosts[-1] == "localhost"


@pytest.mark.parametrize(("name", "policy"), [("broker", "noeviction"), ("cache", "allkeys-lru")])
def test_redis_takes_its_configuration(tmp_path: Path, jost: Files, name: str, policy: str) -> None:
    configuration, socket = tmp_path / "redis.conf", tmp_path / "redis.sock"
    said_of_us = jost.text(f"deploy/redis/{name}.conf")
    configuration.write_text(said_of_us.replace("dir /data", f"dir {tmp_path}"))
    options = ["--port", "0", "--unixsocket", str(socket)]
    server = subprocess.Popen(
        [str(find_redis_server()), str(configuration), *options], stdout=subprocess.DEVNULL
    )
    try:
        with redis.Redis(unix_socket_path=str(socket)) as client:
            eventually(lambda: _answers(client, server))
            said = client.config_get("*")
        assert said["maxmemory-policy"] == policy
        assert said["timeout"] == "0"
        assert said["appendonly"] == ("yes" if name == "broker" else "no")
    finally:
        server.kill()
        server.wait()


def _answers(client: redis.Redis, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        pytest.fail("Redis refused its configuration")
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
