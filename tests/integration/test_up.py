"""`make up` as a newcomer runs it: real processes, real signals, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from holdfast.testing.services import PostgresServer, RedisServer, free_port
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90

pytestmark = pytest.mark.slow


class Up:
    """A running `make up` with a data folder and a port of its own."""

    target = "up"

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.lines: list[str] = []
        self.environment = _plain_environment() | {"JOST_DATA_DIR": str(folder)} | environment
        self.make = subprocess.Popen(
            _make_up(self.port, target=self.target),
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Signals of the test reach make alone: the hardest case.
            start_new_session=True,
            # Tests that run in the background ignore SIGINT, and would hand that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def until_ready(self) -> Up:
        """Return when JOST says so."""
        ready = f"JOST is ready at http://127.0.0.1:{self.port}/"

        def is_ready() -> bool:
            assert self.make.poll() is None, self.output
            return ready in self.lines

        eventually(is_ready, within=START_SECONDS, told="JOST is ready")
        return self

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this run, wherever it hangs in the tree."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def pid(self, name: str) -> int:
        """Return the pid of the process last started under this name."""
        started = [
            line for line in self.lines if line.startswith(f"{name} ") and "started, pid" in line
        ]
        return int(started[-1].rpartition(" ")[2])

    def manage(self, *arguments: str) -> str:
        """Run manage.py as from another shell."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def end(self) -> None:
        """End what a failed test left running."""
        for process in self.processes():
            process.kill()
        self.make.wait()
        self._reading.join()

    def _read(self) -> None:
        assert self.make.stdout is not None
        for line in self.make.stdout:
            self.lines.append(line.rstrip())

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("JOST_DATA_DIR") == str(self.folder)
        except psutil.Error:
            return False


@pytest.fixture(scope="module")
def jost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One run for the tests that leave it as they found it."""
    up = Up(tmp_path_factory.mktemp("jost") / "data")
    try:
        yield up.until_ready()
    finally:
        up.end()


def test_page_answers_when_jost_says_it_is_ready(jost: Up) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{jost.port}/") as page:
        assert page.status == 200


def test_killed_worker_is_started_again(jost: Up) -> None:
    killed = jost.pid("cpu")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: jost.pid("cpu") != killed)
    assert any("cpu" in line and "killed by SIGKILL" in line for line in jost.lines)


def test_killed_redis_is_back_on_the_same_port_with_its_data(jost: Up) -> None:
    client = redis.Redis.from_url(_broker_url(jost), retry=None)
    client.set("kept", "yes")
    client.bgrewriteaof()
    eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)

    killed = jost.pid("redis")
    others = {name: jost.pid(name) for name in ("web", "cpu", "jobs", "scheduler")}
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return bool(client.get("kept") == b"yes" and jost.pid("redis") != killed)
        except redis.ConnectionError:
            return False

    eventually(is_back)
    # Everybody else has come through it: nobody gives up because Redis is away for a moment.
    eventually(lambda: _reconnected(jost))
    assert {name: jost.pid(name) for name in others} == others


def test_other_shells_find_the_running_services(jost: Up) -> None:
    assert redis.Redis.from_url(_broker_url(jost)).ping()
    assert jost.manage("shell", "-v0", "-c", _PRINT_DATABASE) == str(jost.folder / "jost.sqlite3")


def test_celery_from_another_shell_reaches_the_running_workers(jost: Up) -> None:
    command = ["celery", "-A", "jost", "call", "jost.embedded.pulse", "--args", '["shell", "seen"]']
    subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=jost.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    pulse = jost.folder / "pulse" / "shell"
    eventually(lambda: pulse.exists() and pulse.read_text() == "seen")


def test_second_run_on_the_same_data_says_where_the_first_is(jost: Up) -> None:
    second = Up(jost.folder)
    assert second.make.wait(timeout=30) != 0
    eventually(lambda: f"It already runs at http://127.0.0.1:{jost.port}/" in second.output)


def test_busy_port_gets_a_message_with_the_repair(jost: Up, tmp_path: Path) -> None:
    environment = jost.environment | {"JOST_DATA_DIR": str(tmp_path)}
    refused = subprocess.run(
        _make_up(jost.port),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert refused.returncode != 0
    assert f"Port {jost.port} is busy" in refused.stderr
    assert f"make up PORT={jost.port + 1}" in refused.stderr


def test_interrupt_leaves_no_process_and_the_next_start_finds_its_data(tmp_path: Path) -> None:
    up = Up(tmp_path / "data")
    try:
        up.until_ready()
        up.manage("shell", "-v0", "-c", _MAKE_USER)
        up.make.send_signal(signal.SIGINT)
        up.make.wait(timeout=60)
        assert up.processes() == []
        assert "JOST has stopped" in up.output
    finally:
        up.end()

    again = Up(tmp_path / "data")
    try:
        again.until_ready()
        assert again.manage("shell", "-v0", "-c", _COUNT_USERS) == "1"
        # Not even the runner's own kill -9 leaves anything behind.
        _runner(again).kill()
        eventually(lambda: again.processes() == [])
    finally:
        again.end()


def test_given_database_and_redis_are_used(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    url = postgres_server.create_database("up")
    up = Up(tmp_path / "data", DATABASE_URL=url, REDIS_URL=redis_server.url)
    try:
        up.until_ready()
        assert (
            postgres_server.execute("SELECT count(*) FROM django_migrations", database="up") > "0"
        )
        assert not (tmp_path / "data" / "jost.sqlite3").exists()
        assert not any(line.startswith("redis ") for line in up.lines)
        up.make.terminate()
        up.make.wait(timeout=40)
        eventually(lambda: up.processes() == [])
    finally:
        up.end()


_PRINT_DATABASE = "from django.conf import settings; print(settings.DATABASES['default']['NAME'])"
_PRINT_BROKER = "from django.conf import settings; print(settings.CELERY_BROKER_URL)"
_MAKE_USER = "from django.contrib.auth.models import User; User.objects.create_user('kept')"
_COUNT_USERS = "from django.contrib.auth.models import User; print(User.objects.count())"


def _make_up(port: int, *, target: str = "up") -> list[str]:
    # In the environment the tests run in, whichever that is.
    return ["make", target, f"PORT={port}", f"VENV={sys.prefix}"]


def _broker_url(up: Up) -> str:
    return up.manage("shell", "-v0", "-c", _PRINT_BROKER)


def _reconnected(up: Up) -> bool:
    """Say whether both workers are connected to the Redis that was started last."""
    since = max(number for number, line in enumerate(up.lines) if line.startswith("redis "))
    ready = [line for line in up.lines[since:] if "Connected to" in line]
    return {line.split()[0] for line in ready} >= {"cpu", "jobs"}


def _runner(up: Up) -> psutil.Process:
    return psutil.Process(up.make.pid).children()[0]


def _plain_environment() -> dict[str, str]:
    """Return the environment without what the tests, or the make that runs them, have put there."""
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
    makes = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
    return {name: value for name, value in os.environ.items() if name not in ours + makes}
