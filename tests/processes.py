"""Real processes that a test starts: each in a group of its own, its log in a file, dead when the test process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal as signals
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from django.db import connections

from holdfast.ledger.models import Worker
from holdfast.testing.services import die_with
from tests.eventually import PATIENCE, eventually
from tests.nursery import steadily
from tests.warm import WarmProcess, can_be_warm

ROOT = Path(__file__).resolve().parents[1]


class ProcessEndedError(Exception):
    """A process ended before it said what was waited for; no `AssertionError`, which would be waited out."""


class SiteProcess:
    """A process of a site, in a group of its own, its log in a file; killed when the test process dies."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        warm: bool = False,
    ) -> None:
        """Start `python` with the words of a command; `warm` spares it the imports, where that is the same."""
        self.log = log

        def start() -> subprocess.Popen[bytes] | WarmProcess:
            with log.open("ab") as output:
                if warm and can_be_warm(command, environment):
                    return WarmProcess(
                        command,
                        environment=environment,
                        cwd=ROOT,
                        stdout=output.fileno(),
                        stderr=output.fileno(),
                        start_new_session=True,
                    )
                return subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  # one system call
                )

        self.popen = steadily(start)
        self.pid = self.popen.pid
        self._said: set[str] = set()

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def pids(self) -> list[int]:
        """Return the children: of a prefork worker, its pool."""
        try:
            return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: signals.Signals) -> None:
        """Signal the main process alone."""
        os.kill(self.pid, number)

    def signal_group(self, number: signals.Signals) -> None:
        """Signal the main process and its children."""
        os.killpg(self.pid, number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the end; return the exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            found = f"still running after {timeout:g} s:\n{self.whereabouts()}\n{self.log_tail()}"
            raise AssertionError(found) from None

    def stop(self, timeout: float = 30) -> None:
        """SIGTERM as an operator does; the process must end in order, and leave no child."""
        children = self.pids()
        self.signal(signals.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, f"exit code {code}:\n{self.log_tail(40)}"
        left = [pid for pid in children if psutil.pid_exists(pid)]
        eventually(
            lambda: not any(psutil.pid_exists(pid) for pid in left),
            told=f"children {left} are gone",
        )

    def kill(self) -> None:
        """Kill -9 the whole group at once, as a lost host does."""
        if self.popen.poll() is None:
            os.killpg(self.pid, signals.SIGKILL)
            self.popen.wait(10)

    def await_line(self, text: str, *, within: float = PATIENCE) -> str:
        """Wait for a whole line of its log with this text in it; return the first.

        Raises:
            ProcessEndedError: at once if the process has ended without one.
        """

        def line() -> str | None:
            ended = not self.running
            lines = self.log_text().splitlines(keepends=True)
            found = next((each for each in lines if text in each and each.endswith("\n")), None)
            if ended and found is None:
                raise ProcessEndedError(f"{self.pid} never said {text!r}:\n{self.log_tail(40)}")
            return found

        try:
            return eventually(line, within=within, told=f"it says {text!r}") or ""
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None

    def whereabouts(self) -> str:
        """Return what the process and its children wait for, by the system's word."""
        lines = []
        for pid in (self.pid, *self.pids()):
            with contextlib.suppress(OSError):
                near = Path(f"/proc/{pid}")
                state = (near / "stat").read_text().rpartition(")")[2].split()[0]
                lines.append(f"{pid} is {state} in {(near / 'wchan').read_text() or '?'}")
        return "\n".join(lines)

    def has_said(self, text: str) -> bool:
        """Tell whether its log has this text by now; once it has, nobody reads it again for that."""
        if text not in self._said and text in self.log_text():
            self._said.add(text)
        return text in self._said

    def log_text(self) -> str:
        """Return all the process wrote."""
        return self.log.read_text(errors="replace")

    def log_tail(self, lines: int = 25) -> str:
        """Return the end of what it wrote."""
        return f"--- {self.log}\n" + "\n".join(self.log_text().splitlines()[-lines:])


def unread_by(pid: int) -> int:
    """Return how many bytes lie in the fullest pipe of a process."""
    found = [0]
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        if str(fd.readlink()).startswith("pipe:"):
            pipe = os.open(fd, os.O_RDONLY | os.O_NONBLOCK)
            try:
                found += struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
            finally:
                os.close(pipe)
    return max(found)


def freeze(process: SiteProcess, ledger: str) -> None:
    """Stop a process with its children; on SQLite not while they write, for the one writer would be theirs for good."""
    while True:
        process.signal_group(signals.SIGSTOP)
        if _is_writable(ledger):
            return
        process.signal_group(signals.SIGCONT)
        time.sleep(0.02)


@contextmanager
def frozen(process: SiteProcess, ledger: str) -> Iterator[None]:
    """Keep a process with its children stopped."""
    freeze(process, ledger)
    try:
        yield
    finally:
        process.signal_group(signals.SIGCONT)


def _is_writable(ledger: str) -> bool:
    connection = connections[ledger]
    if connection.vendor != "sqlite":
        return True
    path = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as direct:
        try:
            direct.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        direct.execute("ROLLBACK")
        return True


class WorkerProcess(SiteProcess):
    """A real `celery worker` on the ledger of an alias."""

    def __init__(self, ledger: str, command: Sequence[str], **options: Any) -> None:
        super().__init__(command, **options)
        self.ledger = ledger

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Wait for two facts: it has a lease, and it consumes."""

        def ready() -> bool:
            if not self.running:
                raise ProcessEndedError(f"the worker ended while starting:\n{self.log_tail(40)}")
            return " ready." in self.log_text() and self.lease() is not None

        eventually(ready, within=timeout, every=0.05, told=f"worker {self.pid} is ready")

    def lease(self) -> Worker | None:
        """Return the row of its current incarnation."""
        rows = Worker.objects.using(self.ledger).filter(pid=self.pid, lost_at=None)
        return rows.order_by("-started_at").first()

    def lease_until(self) -> datetime:
        """Return until when its lease stands; it must have one."""
        row = self.lease()
        assert row is not None
        return row.lease_until
