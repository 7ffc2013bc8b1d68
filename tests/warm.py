"""Starts Python processes whose imports are done: forks of a process that has imported what each of ours imports.

What is started is what its command line says, by the interpreter's own way to run `-m`, `-c` or a file, in a process
of its own with its own environment, folder and streams; only the time that Django and Celery take to be imported is
spared. Nothing of Holdfast or of a project is imported before, nothing is set up, and no other thread runs.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from holdfast.testing.services import die_with
from tests import stem
from tests.nursery import steadily

# What is settled before the first line of ours: by the loader, by the interpreter, by what Celery reads when it is
# imported, or by a patch of what is imported.
_OF_THE_START = ("LD_", "PYTHON", "REMAP_SIGTERM")
_NOT_WARM = ("gevent", "eventlet")
_ENVIRONMENT = dict(os.environ)


def can_be_warm(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a fork is the same as a start."""
    changed = {
        name
        for name in environment.keys() | _ENVIRONMENT.keys()
        if name.startswith(_OF_THE_START) and environment.get(name) != _ENVIRONMENT.get(name)
    }
    return (
        hasattr(os, "pidfd_open")
        and changed <= {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        and not any(word in argument for word in _NOT_WARM for argument in arguments)
    )


class WarmProcess:
    """A process of ours; it has those parts of `subprocess.Popen` that the tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        stdout: int,
        stderr: int,
        start_new_session: bool = False,
    ) -> None:
        """Start `python` with these arguments; it is killed when this process ends."""
        self._stem = _stem()
        self.returncode: int | None = None
        self.pid: int = self._stem.ask(
            {
                "start": list(arguments),
                "environment": dict(environment),
                "cwd": str(cwd),
                "session": start_new_session,
            },
            stdout,
            stderr,
        )
        # Its number is nobody else's until it is asked how it ended.
        self._handle = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with self._stem.lock:
            if self.returncode is None:
                self.returncode = self._stem.ask({"ended": self.pid})
                if self.returncode is not None:
                    os.close(self._handle)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise `subprocess.TimeoutExpired` after so many seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
            # Somebody else may have closed the handle meanwhile: look again now and then.
            end = select.poll()
            end.register(self._handle, select.POLLIN)
            end.poll(1000 * min(1, left or 1))
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        """Kill -9 it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def run(
    arguments: Sequence[str], *, environment: Mapping[str, str], cwd: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `python` with these arguments to its end; return what it wrote, as `subprocess.run` does."""
    if not can_be_warm(arguments, environment):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    with TemporaryFile() as out, TemporaryFile() as err:
        process = WarmProcess(
            arguments,
            environment=environment,
            cwd=cwd,
            stdout=out.fileno(),
            stderr=err.fileno(),
        )
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(list(arguments), code, *said)


class _Stem:
    """The process that is forked, and the one conversation with it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = steadily(lambda: self._start(theirs.fileno()))
        atexit.register(self._end)

    @staticmethod
    def _start(conversation: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", stem.__name__, str(conversation)],
            cwd=Path(__file__).resolve().parents[1],
            env={name: value for name, value in _ENVIRONMENT.items() if name != "PYTHONPATH"},
            stdin=subprocess.DEVNULL,
            pass_fds=[conversation],
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  # one system call
        )

    def _end(self) -> None:
        """Let it end by itself, so that its time and that of its forks are counted as ours."""
        self._socket.close()
        self._process.wait(10)

    def ask(self, question: dict[str, Any], *files: int) -> Any:
        with self.lock:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            answer = self._socket.recv(stem.LARGEST)
        assert answer, "the process that is forked has ended: see above"
        return json.loads(answer)


@cache
def _stem() -> _Stem:
    return _Stem()
