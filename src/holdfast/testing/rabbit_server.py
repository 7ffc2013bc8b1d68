"""Runs a private RabbitMQ that the system's packages have brought; runs in tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Self

from holdfast.testing.child import LOOPBACK, Child, ServiceError, wait_until_ready
from holdfast.testing.ports import free_port

# The program itself comes first: what packages put on the path runs it as another user.
_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/lib/rabbitmq/bin", "/opt/rabbitmq/sbin")
_HELLO = b"AMQP\x00\x00\x09\x01"


def find_rabbitmq() -> Path:
    """Return the program of an installed RabbitMQ; raise `ServiceError` with the repair if there is none."""
    path = os.pathsep.join([*_PLACES, os.environ.get("PATH", os.defpath)])
    found, epmd = shutil.which("rabbitmq-server", path=path), shutil.which("epmd")
    if found is None or epmd is None:
        raise ServiceError(
            "No RabbitMQ was found: install it (Debian or Ubuntu: apt install rabbitmq-server; "
            "macOS: brew install rabbitmq)."
        )
    return Path(found)


class RabbitServer:
    """A RabbitMQ as a plain child on loopback; its data and port survive `kill` and `start`.

    It has a name, ports and a port mapper (epmd) of its own, and the user guest with the password guest.
    """

    def __init__(self, directory: Path) -> None:
        """Take a folder for its data and its log."""
        self.directory = directory
        self.port = free_port()
        self._mapper_port, self._inner_port = free_port(), free_port()
        self._child: Child | None = None
        self._mapper: Child | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}//"

    def start(self, *, timeout: float = 60) -> Self:
        """Start on the data that is there; return once it speaks AMQP."""
        self.directory.mkdir(parents=True, exist_ok=True)
        program = find_rabbitmq()
        if self._mapper is None or not self._mapper.running:
            self._mapper = Child(
                ["epmd", "-address", LOOPBACK, "-port", str(self._mapper_port)],
                log=self.directory / "epmd.log",
                environment=self._environment(),
            )
        child = self._child = Child(
            [program], log=self.directory / "rabbitmq.log", environment=self._environment()
        )
        wait_until_ready(
            child, answers=self._answers, name=f"RabbitMQ on port {self.port}", timeout=timeout
        )
        return self

    def kill(self) -> None:
        """Kill -9: durable queues and what was confirmed into them are there after `start`."""
        if self._child is not None:
            self._child.end(signal.SIGKILL, timeout=10)
            self._child = None

    def restart(self) -> Self:
        """Kill and start on the same port and data."""
        self.kill()
        return self.start()

    def stop(self) -> None:
        """End it and its port mapper."""
        self.kill()
        if self._mapper is not None:
            self._mapper.end(signal.SIGKILL, timeout=10)
            self._mapper = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=0.5) as connection:
                connection.sendall(_HELLO)
                return bool(connection.recv(1))
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        plugins = self.directory / "enabled_plugins"
        plugins.write_text("[].\n")
        folder = str(self.directory)
        return os.environ | {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"holdfast{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._inner_port),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port),
            # Its script then becomes the server, in place of standing beside it: our child is the server itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
