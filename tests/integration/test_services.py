"""The services the other tests stand on do what they say, down to the faults."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from holdfast.testing.services import (
    Mode,
    PostgresServer,
    RedisServer,
    ServiceError,
    TcpProxy,
    find_redis_server,
    free_port,
)
from tests.eventually import eventually


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def own_postgres(private_directory: Path) -> Iterator[PostgresServer]:
    with PostgresServer(private_directory) as server:
        yield server


def test_redis_keeps_port_and_data_through_kill_9(own_redis: RedisServer) -> None:
    port = own_redis.port
    client = redis.Redis.from_url(own_redis.url)
    client.set("kept", "yes")
    # WAITAOF needs Redis 7.2: a rewrite puts what is in memory on disk on every version.
    client.bgrewriteaof()
    eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)

    own_redis.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    own_redis.start()

    assert own_redis.port == port
    assert client.get("kept") == b"yes"


def test_redis_runs_as_a_broker_must(own_redis: RedisServer) -> None:
    client = redis.Redis.from_url(own_redis.url)

    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert client.config_get("appendonly")["appendonly"] == "yes"
    assert client.config_get("bind")["bind"] == "127.0.0.1"
    assert own_redis.version() == client.info("server")["redis_version"]


def test_paused_redis_is_silent_and_goes_on_when_resumed(own_redis: RedisServer) -> None:
    client = redis.Redis.from_url(own_redis.url, socket_timeout=0.2, retry=None)
    own_redis.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    own_redis.resume()
    assert eventually(client.ping)


def test_redis_that_is_full_or_a_replica_refuses_writes_until_it_is_not(
    own_redis: RedisServer,
) -> None:
    client = redis.Redis.from_url(own_redis.url)
    own_redis.limit_memory(1)
    with pytest.raises(redis.ResponseError, match="maxmemory"):
        client.set("key", "value")
    own_redis.limit_memory(0)
    own_redis.follow(free_port())
    with pytest.raises(redis.ResponseError, match="read only"):
        client.set("key", "value")
    own_redis.lead()
    assert client.set("key", "value")
    with pytest.raises(ServiceError, match="refused 'NONSENSE'"):
        own_redis.command("NONSENSE")


def test_redis_that_may_evict_makes_room(own_redis: RedisServer) -> None:
    client = redis.Redis.from_url(own_redis.url)
    client.mset({f"key{n}": "x" * 1000 for n in range(100)})
    own_redis.limit_memory(own_redis.memory_used() - 20_000, evict=True)
    client.set("one more", "")
    assert client.dbsize() < 101
    own_redis.limit_memory(0)


def test_redis_that_cannot_start_says_why(tmp_path: Path, own_redis: RedisServer) -> None:
    with pytest.raises(ServiceError, match="bind"):
        RedisServer(tmp_path / "second", port=own_redis.port).start()


def test_system_redis_is_preferred_to_the_one_in_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "valkey-server"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), str(tmp_path)]))

    assert find_redis_server() == system


def test_missing_redis_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServiceError, match="apt install redis-server"):
        find_redis_server()


def test_postgres_refuses_users_and_not_the_superuser_beyond_a_limit(
    own_postgres: PostgresServer,
) -> None:
    own_postgres.create_database("limited")
    own_postgres.create_user("guest")
    url = own_postgres.url("limited", user="guest")
    own_postgres.limit_connections("limited", 1)
    with psycopg.connect(url) as guest:
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            psycopg.connect(url)
        psycopg.connect(own_postgres.url("limited")).close()
        assert own_postgres.end_connections("limited", inside_transactions=True) == 0
        guest.execute("SELECT 1")
        assert own_postgres.end_connections("limited", inside_transactions=True) == 1
        with pytest.raises(psycopg.OperationalError):
            guest.execute("SELECT 1")
    own_postgres.limit_connections("limited", None)
    psycopg.connect(url).close()


def test_postgres_keeps_what_it_committed_through_kill_9(
    own_postgres: PostgresServer,
) -> None:
    url = own_postgres.create_database("kept")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE fact AS SELECT 42 AS answer")

    own_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)
    own_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT answer FROM fact").fetchone() == (42,)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_postgres_that_cannot_start_says_why(
    postgres_server: PostgresServer, private_directory: Path
) -> None:
    with pytest.raises(ServiceError, match="could not bind"):
        PostgresServer(private_directory, port=postgres_server.port).start()


def test_killed_postgres_leaves_no_back_end(own_postgres: PostgresServer) -> None:
    with psycopg.connect(own_postgres.url(), autocommit=True) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        own_postgres.kill()
        eventually(lambda: not psutil.pid_exists(row[0]))
    own_postgres.start()


def test_children_die_with_the_process_that_started_them(
    tmp_path: Path, private_directory: Path
) -> None:
    """Even a parent that is killed -9 leaves neither Redis nor PostgreSQL behind."""
    script = """
import sys, tempfile, time
from pathlib import Path
from holdfast.testing.services import PostgresServer, RedisServer
redis = RedisServer(Path(sys.argv[1], "redis")).start()
postgres = PostgresServer(Path(sys.argv[2])).start()
print(redis.pid, postgres.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(private_directory)],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()

    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids))


class TestProxy:
    """Each mode of the proxy, seen through a plain socket and a server that echoes."""

    def test_passes_everything_in_pass(self, proxy: TcpProxy) -> None:
        with _connect(proxy) as client:
            assert _echo(client, b"hello") == b"hello"

    def test_delays_both_directions_in_delay(self, proxy: TcpProxy) -> None:
        with _connect(proxy) as client:
            proxy.switch(Mode.DELAY, delay_seconds=0.1)
            started = time.monotonic()
            assert _echo(client, b"late") == b"late"
            assert time.monotonic() - started >= 0.2

    def test_holds_everything_in_blackhole_and_delivers_it_afterwards(
        self, proxy: TcpProxy
    ) -> None:
        with _connect(proxy) as client:
            assert _echo(client, b"before") == b"before"
            proxy.switch(Mode.BLACKHOLE)
            with pytest.raises(TimeoutError):
                _echo(client, b"held")
            proxy.switch(Mode.PASS)
            assert client.recv(100) == b"held"

    def test_new_connection_into_a_blackhole_is_silent(self, proxy: TcpProxy) -> None:
        proxy.switch(Mode.BLACKHOLE)
        with _connect(proxy) as client, pytest.raises(TimeoutError):
            _echo(client, b"anybody?")

    def test_half_lets_requests_through_and_holds_replies(
        self, proxy: TcpProxy, echo_server: EchoServer
    ) -> None:
        with _connect(proxy) as client:
            assert _echo(client, b"1") == b"1"
            proxy.switch(Mode.HALF)
            with pytest.raises(TimeoutError):
                _echo(client, b"2")
            assert echo_server.heard == b"12"

    def test_reset_ends_live_and_new_connections_with_rst(self, proxy: TcpProxy) -> None:
        with _connect(proxy) as client:
            _echo(client, b"live")
            proxy.switch(Mode.RESET)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with pytest.raises(ConnectionResetError), _connect(proxy) as client:
            client.recv(1)

    def test_refuse_is_nobody_listening_until_it_passes_again(self, proxy: TcpProxy) -> None:
        proxy.switch(Mode.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            _connect(proxy)
        proxy.switch(Mode.PASS)
        with _connect(proxy) as client:
            assert _echo(client, b"back") == b"back"

    def test_cut_resets_live_connections_once(self, proxy: TcpProxy) -> None:
        with _connect(proxy) as client:
            _echo(client, b"live")
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with _connect(proxy) as client:
            assert _echo(client, b"again") == b"again"

    def test_stranded_connection_is_silent_until_it_is_ended_and_new_ones_pass(
        self, proxy: TcpProxy, echo_server: EchoServer
    ) -> None:
        with _connect(proxy) as client:
            assert _echo(client, b"1") == b"1"
            proxy.strand()
            with pytest.raises(TimeoutError):
                _echo(client, b"2")
            with _connect(proxy) as another:
                assert _echo(another, b"3") == b"3"
            assert echo_server.heard == b"13"
            proxy.end_stranded()
            with pytest.raises(ConnectionResetError):
                client.recv(1)

    def test_retargeted_proxy_leads_new_connections_elsewhere(self, proxy: TcpProxy) -> None:
        elsewhere = EchoServer()
        with _connect(proxy) as client:
            _echo(client, b"here")
            proxy.retarget(elsewhere.port)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        with _connect(proxy) as client:
            assert _echo(client, b"there") == b"there"
        elsewhere.close()
        assert elsewhere.heard == b"there"

    def test_url_names_the_proxy_and_keeps_the_rest(self, proxy: TcpProxy) -> None:
        assert proxy.url("redis://:secret@127.0.0.1:1/3") == (
            f"redis://:secret@127.0.0.1:{proxy.port}/3"
        )


class EchoServer:
    """Answers every byte with itself and remembers what it heard."""

    def __init__(self) -> None:
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        try:
            while data := client.recv(100):
                self.heard += data
                client.sendall(data)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def echo_server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def proxy(echo_server: EchoServer) -> Iterator[TcpProxy]:
    with TcpProxy(echo_server.port) as running:
        yield running


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=0.5)


def _echo(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(100)


def test_no_two_processes_are_given_the_same_port() -> None:
    code = "from holdfast.testing.services import free_port; print(*[free_port() for _ in range(250)]); input()"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    given = [_line(process).split() for process in processes]
    given.append([str(free_port()) for _ in range(250)])
    for process in processes:
        process.communicate("\n", timeout=30)

    assert [len(set(ports)) for ports in given] == [250] * 3
    assert len({port for ports in given for port in ports}) == 750


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
