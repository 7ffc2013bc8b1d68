"""Every command line in the deploy files of JOST, run as it stands there: it starts, lives, and stops in time.

PostgreSQL is left out: all run on SQLite and on one Redis, with the variables that env.list, or a Secret, gives them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer, die_with, free_port
from tests.deploy.files import JOST, ROOT
from tests.deploy.lines import LINES, SERVICES, Line, turned
from tests.deploy.tools import tool
from tests.eventually import PATIENCE, eventually

pytestmark = pytest.mark.services
POOLS = {
    "worker": {"default", "critical", "low-priority", "alerts"},
    "worker-fast": {"fast"},
    "worker-cpu": {"cpu"},
    "worker-io": {"io"},
}
# What each tool calls them.
WEB, SCHEDULERS = {"app", "web"}, {"beat", "scheduler"}
MORE = {"compose": {"metrics"}, "kubernetes": {"metrics"}}


# Where one worker of processes and one of threads are started; the others have the words that ran for Compose.
FEWER, AS_IN_COMPOSE = {"nix", "procfile", "supervisor"}, {"worker-fast", "worker-cpu"}
IN_COMPOSE = {line.name: line for line in LINES["compose"]()}


@dataclass(frozen=True)
class Host:
    """A machine with the project on it, its database migrated."""

    folder: Path
    secret: Mapping[str, str]
    """What deploy/README.md puts into a Secret of Kubernetes."""
    data: Mapping[str, str]
    """Where data lies; on Kubernetes nowhere."""

    def given(self, kind: str) -> dict[str, str]:
        """Return what whoever deploys says in place of what the files say."""
        return {**self.secret, **({} if kind == "kubernetes" else self.data)}

    def environment(self, kind: str) -> dict[str, str]:
        """Return what is there before a file says anything: for Kubernetes a Secret of few lines, else env.list."""
        told = self.given(kind) if kind == "kubernetes" else {**_listed(), **self.given(kind)}
        venv = Path(sys.executable).parent
        return {**told, "PATH": f"{venv}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}


def _listed() -> dict[str, str]:
    lines = (ROOT / "env.list").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


@pytest.fixture(scope="module")
def host(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Host:
    # A path of a socket is short.
    folder = tmp_path_factory.mktemp("host")
    (folder / "venv").symlink_to(Path(sys.executable).parent.parent)
    (folder / "pids").mkdir()
    base = redis_server.url.rpartition("/")[0]
    secret = {
        "API_HOST": "localhost; app",
        "DATABASE_URL": f"sqlite:///{folder}/jost.sqlite3",
        "CELERY_BROKER_URL": f"{base}/13",
        "CACHE_URL": f"{base}/14",
        "DJANGO_SECRET_KEY": "of this test alone, and long enough to be one",
        "METRICS_TOKEN": "correct-horse",
    }
    data = {
        "CELERY_RESULT_BACKEND": f"{base}/13",
        "STATE": str(folder),
        "JOST_DATA_DIR": str(folder),
        "CELERY_BEAT_SCHEDULE_FILENAME": str(folder / "schedule"),
    }
    host = Host(folder, secret, data)
    _run(host, SERVICES["migrate"]["command"])
    return host


def _run(host: Host, words: Sequence[str], kind: str = "compose", **more: str) -> str:
    """Run a command in a container of the page, or what comes near it; return what it printed."""
    settings = {"DJANGO_SETTINGS_MODULE": "jost.settings.production"}
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=host.environment(kind) | settings | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


class Running:
    """One process of one file."""

    def __init__(self, line: Line, kind: str, host: Host) -> None:
        self.line = line
        self._folder = host.folder / f"{kind}-{line.name}"
        self._folder.mkdir()
        self._port, self._metrics_port = free_port(), free_port()
        told = {name: self._turned(value, host) for name, value in line.variables.items()}
        given = host.given(kind)
        self._environment = {**host.environment(kind), **told, **given}
        self._environment |= {"PORT": str(self._port), "NIX_DAPHNE_PORT": str(self._port)}
        self._notified: socket.socket | None = None
        if line.notifies:
            self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._notified.bind(str(self._folder / "notify"))
            self._notified.settimeout(PATIENCE)
            self._environment["NOTIFY_SOCKET"] = str(self._folder / "notify")
        self._log = self._folder / "log"
        words = [self._turned(word, host) for word in line.words]
        if words[:2] == ["bash", "-c"]:
            # What a file sources wins over the environment, so what is this machine's comes after it.
            ours = "".join(
                f"export {name}={shlex.quote(value)}\n"
                for name, value in (*given.items(), ("NIX_DAPHNE_PORT", str(self._port)))
            )
            script, sourced, rest = words[2].partition("environment.sh\n")
            words[2] = f"{script}{sourced}{ours}{rest}"
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  # one system call
            )
        self._host = host

    def _turned(self, text: str, host: Host) -> str:
        return turned(
            text,
            folder=self._folder,
            venv=host.folder / "venv",
            port=self._port,
            metrics_port=self._metrics_port,
        )

    def await_ready(self) -> None:
        """Wait until it works, by the signs that its tool looks for."""
        name = self.line.name
        if self._notified is not None:
            assert b"READY=1" in self._notified.recv(4096)
        if name in WEB:
            eventually(lambda: self._answers("/health/ready"), told=f"{name} is ready")
        elif name == "metrics":
            eventually(lambda: self._answers("/metrics"), told=f"{name} answers")
        else:
            sign = r"beat: Starting" if name in SCHEDULERS else r"@\S+ ready\b"
            eventually(lambda: self._says(sign), every=0.1, told=f"{name} is ready: {self.said()}")
        if self.line.probe:
            eventually(self._lives, every=0.2, told=f"{name} is found to live by its probe")

    def _answers(self, path: str) -> bool:
        self._runs()
        port = self._metrics_port if path == "/metrics" else self._port
        token = {"Authorization": f"Bearer {self._host.secret['METRICS_TOKEN']}"}
        address = f"http://127.0.0.1:{port}{path}"
        request = urllib.request.Request(address, headers={"Host": "localhost", **token})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(refusal.read()[:500]) from refusal
        except OSError:
            return False

    def _says(self, sign: str) -> bool:
        self._runs()
        return bool(re.search(sign, self._log.read_text(errors="replace")))

    def _runs(self) -> None:
        if self.process.poll() is not None:
            pytest.fail(f"{self.line.name} ended with {self.process.returncode}:\n{self.said()}")

    def _lives(self) -> bool:
        words = [self._turned(word, self._host) for word in self.line.probe]
        done = subprocess.run(words, env=self._environment, check=False, timeout=30)
        return done.returncode == 0

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def tell_to_stop(self) -> None:
        if self.line.to_all:
            os.killpg(self.process.pid, self.line.signal)
        else:
            self.process.send_signal(self.line.signal)

    def await_end(self) -> None:
        """Wait for the end in order, within the time that its file gives it."""
        code = self.process.wait(min(self.line.grace_seconds, PATIENCE))
        # A web server hands the signal on to itself when all is done.
        in_order = {0, -self.line.signal} if self.line.name in WEB else {0}
        assert code in in_order, f"{self.line.name}: {code}\n{self.said()}"

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait(20)
        if self._notified is not None:
            self._notified.close()


def _workers(host: Host, kind: str) -> dict[str, set[str]]:
    """Return which queues each worker serves, as the command of a person says it."""
    said = _run(host, ["python", "manage.py", "holdfast", "workers", "--json"], kind)
    return {one["name"].partition("@")[0]: set(one["queues"]) for one in json.loads(said)}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("kind", LINES)
def test_processes_start_as_their_file_says_and_stop_in_its_time(
    host: Host, stack: ExitStack, kind: str
) -> None:
    tool("check-jsonschema")
    if kind == "nix" and not shutil.which("bash"):
        pytest.skip("bash is not installed")
    lines = list(LINES[kind]())
    names = {line.name for line in lines}
    (web,), (scheduler,) = names & WEB, names & SCHEDULERS
    assert names == {*JOST["pools"], web, scheduler, *MORE.get(kind, set())}

    if kind in FEWER:
        for line in lines:
            if line.name in AS_IN_COMPOSE:
                assert shlex.join(IN_COMPOSE[line.name].words[1:]) in " ".join(line.words)
        lines = [line for line in lines if line.name not in AS_IN_COMPOSE]

    running = []
    for line in lines:
        running.append(Running(line, kind, host))
        stack.callback(running[-1].kill)
    for one in running:
        one.await_ready()
    # They say it with a heartbeat.
    served = {name: queues for name, queues in POOLS.items() if name in {one.name for one in lines}}
    eventually(lambda: _workers(host, kind) == served, told="each pool serves its queues")

    for one in running:
        one.tell_to_stop()
    for one in running:
        one.await_end()


@pytest.mark.parametrize(
    "command",
    [
        "python3 manage.py migrate",
        "python3 manage.py test lead",
        "python3 manage.py createsuperuser",
    ],
)
def test_commands_for_a_container_of_the_page_do_what_they_say(host: Host, command: str) -> None:
    tool("check-jsonschema")
    # Nobody is there to be asked.
    asked = {"DJANGO_SUPERUSER_USERNAME": "somebody", "DJANGO_SUPERUSER_EMAIL": "some@example.com"}
    said = _run(
        host,
        [*command.split(), "--noinput"],
        **asked,
        DJANGO_SUPERUSER_PASSWORD="of-this-test-alone",
    )
    assert any(end in said for end in ("No migrations to apply", "Superuser created", "\n\nOK\n"))
