"""Runs a Redis master, its replica and the Sentinels that watch over them; runs in tests."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Self

from holdfast.testing.child import LOOPBACK, Child, ServiceError, wait_until_ready
from holdfast.testing.ports import free_port
from holdfast.testing.redis_server import RedisServer, ask, find_redis_server

MASTER_NAME = "holdfast"


class SentinelGroup:
    """Two Redis servers, of which the Sentinels make one the master; plain children on loopback."""

    def __init__(
        self,
        directory: Path,
        *,
        sentinels: int = 3,
        down_after_seconds: float = 1,
        servers: tuple[RedisServer, RedisServer] | None = None,
    ) -> None:
        """Take a folder, and after how long a silent master counts as down.

        Two `servers` of somebody else's run already, the first one as the master of the second.
        """
        self.directory = directory
        self.down_after_seconds = down_after_seconds
        self._own = servers is None
        self.servers = list(servers or (RedisServer(directory / f"redis{n}") for n in range(2)))
        self.ports = [free_port() for _ in range(sentinels)]
        self._sentinels: list[Child] = []

    @property
    def url(self) -> str:
        return ";".join(f"sentinel://{LOOPBACK}:{port}/0" for port in self.ports)

    @property
    def transport_options(self) -> dict[str, str]:
        """What Celery must know beyond the URL."""
        return {"master_name": MASTER_NAME}

    def start(self, *, timeout: float = 20) -> Self:
        """Start all of them; return once every Sentinel knows the others and the replica."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._own:
            for server in self.servers:
                server.start()
            # Not by an option: who was made the master later would come back as a replica.
            master, replica = self.servers
            replica.follow(master.port)
        for number, port in enumerate(self.ports):
            configuration = self.directory / f"sentinel{number}.conf"
            configuration.write_text(self._configuration(port))
            child = Child(
                [str(find_redis_server()), str(configuration), "--sentinel"],
                log=self.directory / f"sentinel{number}.log",
            )
            self._sentinels.append(child)
        for child, port in zip(self._sentinels, self.ports, strict=True):
            wait_until_ready(
                child,
                answers=lambda port=port: self._knows_all(port),  # type: ignore[misc]  # bound now
                name=f"Sentinel on port {port}",
                timeout=timeout,
            )
        return self

    def master(self) -> RedisServer:
        """Return the server that the Sentinels name now, alive or not."""
        port = self._named()
        return next(server for server in self.servers if server.port == port)

    def fail_over(self, *, timeout: float = 30) -> float:
        """Kill -9 the master; return the seconds until another server was named and takes writes."""
        old = self.master()
        began = time.monotonic()
        old.kill()
        while self._named() == old.port or self.master().facts("replication")["role"] != "master":
            if time.monotonic() - began > timeout:
                raise ServiceError(
                    f"The Sentinels named no other master within {timeout:g} s. The last words of one:\n"
                    f"{self._sentinels[0].log_tail()}"
                )
            time.sleep(0.01)
        return time.monotonic() - began

    def kill_sentinel(self, number: int) -> None:
        """Kill -9 one of the Sentinels."""
        self._sentinels[number].end(signal.SIGKILL, timeout=10)

    def stop(self) -> None:
        """End all of them, but for servers of somebody else's."""
        for child in self._sentinels:
            child.end(signal.SIGKILL, timeout=10)
        if self._own:
            for server in self.servers:
                server.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(self, port: int) -> str:
        watched = f"{MASTER_NAME} {LOOPBACK} {self.servers[0].port} {len(self.ports) // 2 + 1}"
        return (
            f"port {port}\nbind {LOOPBACK}\ndir {self.directory}\n"
            f"sentinel monitor {watched}\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} {int(self.down_after_seconds * 1000)}\n"
            f"sentinel failover-timeout {MASTER_NAME} 5000\n"
        )

    def _knows_all(self, port: int) -> bool:
        try:
            answer = ask(port, f"SENTINEL MASTER {MASTER_NAME}", timeout=1).splitlines()
        except OSError:
            return False
        known = dict(zip(answer, answer[2:], strict=False))
        others = str(len(self.ports) - 1)
        return known.get("num-slaves") == "1" and known.get("num-other-sentinels") == others

    def _named(self) -> int:
        for port in self.ports:
            try:
                answer = ask(port, f"SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER_NAME}", timeout=1)
            except OSError:
                continue
            return int(answer.splitlines()[-1])
        raise ServiceError("No Sentinel answers: call start() first.")
