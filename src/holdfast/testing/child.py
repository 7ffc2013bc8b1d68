"""Starts and ends one child process that never outlives its parent; runs in whatever process starts services."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ServiceError(RuntimeError):
    """A service for development or tests cannot be found or started; the message says the repair."""


class Account(NamedTuple):
    """The user a child runs as."""

    uid: int
    gid: int


def die_with(parent: int) -> Callable[[], None]:
    """Return a `preexec_fn` by which the child is killed when the thread that started it ends.

    The kernel watches the starting *thread*, not the process: start services from a thread that stays.
    Elsewhere than on Linux the child is on its own.
    """

    def bind_to_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            # The parent may have died before the line above: nobody would ever end this child.
            if os.getppid() != parent:
                os._exit(1)

    return bind_to_parent


class Child:
    """One process of ours: its log in a file, ended by pid, killed when we die."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                # A Ctrl-C at the terminal is for the parent, which ends its services in its own order.
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                # One system call whose library is loaded already: safe beside other threads.
                preexec_fn=die_with(os.getpid()),  # noqa: PLW1509
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        self._process.send_signal(number)

    def wait(self, *, timeout: float) -> bool:
        """Wait until the process has ended; say whether it has."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end_family(self) -> None:
        """Kill -9 the process and its children at once, as a lost host does."""
        # A stopped parent reaps nobody: no pid of the list can belong to a stranger meanwhile.
        self.send(signal.SIGSTOP)
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def end(self, number: signal.Signals, *, timeout: float) -> None:
        """Ask the process to end, kill it after `timeout` seconds, and reap it."""
        self.send(signal.SIGCONT)
        self.send(number)
        if not self.wait(timeout=timeout):
            self._process.kill()
            self._process.wait()

    def children(self) -> list[int]:
        """Return the pids of its own children, where the system tells them."""
        try:
            listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in listed.split()]

    def log_tail(self, *, lines: int = 15) -> str:
        """Return the end of what the process wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_until_ready(
    child: Child, *, answers: Callable[[], bool], name: str, timeout: float
) -> None:
    """Return once the service answers; raise `ServiceError` with its log if it ends or stays silent."""
    deadline = time.monotonic() + timeout
    while not answers():
        if not child.running:
            raise ServiceError(f"{name} ended while starting. Its last words:\n{child.log_tail()}")
        if time.monotonic() > deadline:
            child.end(signal.SIGKILL, timeout=0)
            raise ServiceError(
                f"{name} did not answer within {timeout:g} s and was ended. Its last words:\n"
                f"{child.log_tail()}"
            )
        time.sleep(0.01)
