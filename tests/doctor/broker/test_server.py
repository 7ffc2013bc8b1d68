"""A Redis that is reached and is sick: each sickness made on a real server, and a healthy one in silence."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from holdfast.testing.services import Login, Mode, RedisServer, TcpProxy
from tests.doctor.broker.clinic import Clinic, Seen
from tests.doctor.broker.conftest import HEALTHY
from tests.eventually import eventually

ONLY = ("--only", "broker")
Sick = Callable[[RedisServer], object]


def _set(*pairs: str) -> Sick:
    return lambda server: [server.command(f"CONFIG SET {pair}") for pair in pairs]


def _limit(share: float) -> Sick:
    """Let it use so large a share of its memory."""
    return lambda server: server.command(
        f"CONFIG SET maxmemory {int(server.memory_used() / share)}"
    )


# What can be wrong at once is asked for at once: each look is a process.
SICK: list[tuple[Sick, dict[str, str]]] = [
    (
        _set(
            *("maxmemory-policy volatile-ttl", "maxmemory 0", "appendonly no"),
            *("timeout 60", "tcp-keepalive 0"),
        ),
        {
            "W341": "volatile-ttl",
            "W342": "maxmemory is 0",
            "W345": "appendonly is no",
            "W347": "60 seconds",
            "W348": "tcp-keepalive is 0",
        },
    ),
    (_limit(0.9), {"W343": "MiB, "}),
    (_limit(1.1), {"E344": "refuses writes"}),
    (_set("maxmemory-policy allkeys-lru"), {"E340": "allkeys-lru"}),
]
MENDED = (
    "maxmemory-policy noeviction",
    "maxmemory 209715200",
    "appendonly yes",
    "timeout 0",
    "tcp-keepalive 300",
    "maxclients 10000",
)


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """Listen on a port of loopback, and say the same to every question."""
    with serving(lambda connection: _repeat(connection, answers)) as port:
        yield port


def _repeat(connection: socket.socket, answers: tuple[bytes, ...]) -> None:
    while connection.recv(4096):
        connection.sendall(b"".join(answers))


@contextmanager
def retold(port: int, pattern: bytes, words: bytes) -> Iterator[int]:
    """Stand before a server, and replace what fits a pattern in what it says."""

    def between(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            while question := connection.recv(65536):
                server.sendall(question)
                # All of its answer: what comes within a moment, as this server has nothing else to do.
                server.settimeout(10)
                answer = server.recv(2**20)
                server.settimeout(0.1)
                with suppress(TimeoutError):
                    while more := server.recv(2**20):
                        answer += more
                connection.sendall(re.sub(pattern, words, answer))

    with serving(between) as own:
        yield own


@contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection to a port of loopback in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def server(healthy_redis: RedisServer) -> Iterator[RedisServer]:
    """The healthy one, mended after the test."""
    yield healthy_redis
    _set(*MENDED)(healthy_redis)


def assert_said(seen: Seen, id: str, says: str, *, only: bool = True) -> None:
    found = seen.of(id)
    assert says in found["evidence"], found
    assert seen.status == (1 if id.startswith("E") else 0)
    assert not only or seen.ids == {id}, seen.told()


def test_healthy_redis_is_passed_by_in_silence(clinic: Clinic, healthy_redis: RedisServer) -> None:
    seen = clinic.doctor(*ONLY, broker=healthy_redis.url)
    assert (seen.status, seen.ids, seen.said["skipped"]) == (0, set(), []), seen.told()
    assert seen.said["advice"] == "Nothing is wrong that can be seen."
    assert "redis_is_the_one" in seen.said["asked"]


@pytest.mark.parametrize(("make", "says"), SICK, ids=lambda value: "")
def test_server_that_is_set_wrong_or_full(
    clinic: Clinic, server: RedisServer, make: Sick, says: dict[str, str]
) -> None:
    make(server)
    seen = clinic.doctor(*ONLY, broker=server.url)
    assert seen.ids == set(says), seen.told()
    for id, words in says.items():
        assert words in seen.of(id)["evidence"]


def test_nearly_all_clients_are_taken(clinic: Clinic, server: RedisServer) -> None:
    with ExitStack() as held:
        for _ in range(60):
            client = redis.Redis(port=server.port, single_connection_client=True)
            held.callback(client.close)
            client.ping()
        # The doctor's own probes connect as well.
        server.command("CONFIG SET maxclients 74")
        seen = clinic.doctor("--only", "W354", broker=server.url)
        server.command("CONFIG SET maxclients 10000")
    assert_said(seen, "W354", "clients are connected", only=False)


def test_data_that_cannot_be_written(clinic: Clinic, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with RedisServer(folder, options=[*HEALTHY, "--save", "900", "1"]) as server:
        shutil.rmtree(folder)
        folder.mkdir()
        server.command("BGSAVE")
        state = "rdb_last_bgsave_status"
        eventually(lambda: server.facts("persistence")[state] == "err", told="the save has failed")
        seen = clinic.doctor(*ONLY, broker=server.url)
        server.kill()  # which would try to save at its end
    assert_said(seen, "E346", "MISCONF")


def test_replica_is_told_with_its_master(
    clinic: Clinic, server: RedisServer, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "replica", options=HEALTHY) as replica:
        replica.follow(server.port)
        eventually(replica.is_synchronised)
        seen = clinic.doctor(*ONLY, broker=replica.url)
    assert_said(seen, "E356", f"127.0.0.1:{server.port}")


def test_cluster_is_told(clinic: Clinic, tmp_path: Path) -> None:
    with RedisServer(
        tmp_path / "cluster", options=[*HEALTHY, "--cluster-enabled", "yes"]
    ) as server:
        seen = clinic.doctor(*ONLY, broker=server.url)
    assert_said(seen, "E331", "Hash slot")


def test_hidden_configuration_is_a_remark(clinic: Clinic, tmp_path: Path) -> None:
    options = [*HEALTHY, "--rename-command", "CONFIG", ""]
    with RedisServer(tmp_path / "hidden", options=options) as server:
        seen = clinic.doctor(*ONLY, broker=server.url)
    assert_said(seen, "I355", "CONFIG GET")


def test_slow_answers(clinic: Clinic, healthy_redis: RedisServer) -> None:
    with TcpProxy(healthy_redis.port) as proxy:
        proxy.switch(Mode.DELAY, delay_seconds=0.015)
        seen = clinic.doctor(
            "--only", "W353", "--timeout", "20", broker=proxy.url(healthy_redis.url)
        )
    assert_said(seen, "W353", "ms")


def test_redis_that_loads_its_data(clinic: Clinic) -> None:
    """In its own words: to catch a real one at it needs a large file of data."""
    with answering(b"-LOADING Redis is loading the dataset in memory\r\n") as port:
        seen = clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{port}/0")
    assert_said(seen, "E327", "loading the dataset")


def test_redis_in_its_protected_mode(clinic: Clinic) -> None:
    """In its own words: it says so to other hosts alone, and by its version's own rules."""
    with answering(b"-DENIED Redis is running in protected mode because\r\n") as port:
        seen = clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{port}/0")
    assert_said(seen, "E332", "protected mode")


def test_old_redis_is_told(clinic: Clinic, healthy_redis: RedisServer) -> None:
    """A real one, whose version is made older on its way."""
    with retold(healthy_redis.port, rb"redis_version:\d\.\d", b"redis_version:5.0") as port:
        seen = clinic.doctor("--only", "E349", broker=f"redis://127.0.0.1:{port}/0")
    assert_said(seen, "E349", "Redis 5.0")


def test_watchers_look_finds_what_appears(clinic: Clinic, healthy_redis: RedisServer) -> None:
    """One look by its Python API, twice in one process: nothing is remembered from the first."""
    code = (
        "import django; django.setup()\n"
        "from holdfast.doctor import examine\n"
        "import redis, sys, json\n"
        "from holdfast.doctor.command import changes\n"
        "server = redis.Redis.from_url(sys.argv[-1])\n"
        "before = examine(only=['broker'])\n"
        "server.config_set('timeout', 60)\n"
        "after = examine(only=['broker'])\n"
        "server.config_set('timeout', 0)\n"
        "print(json.dumps({'findings': [], 'skipped': [], 'changes': list(changes(before, after))}))\n"
    )
    seen = clinic.doctor(healthy_redis.url, broker=healthy_redis.url, command=("-c", code))
    (line,) = seen.said["changes"]
    assert line.startswith("APPEARED holdfast.W347")


def test_cache_in_the_database_of_the_queues(clinic: Clinic, healthy_redis: RedisServer) -> None:
    backend = "django.core.cache.backends.redis.RedisCache"
    location = healthy_redis.url.replace("127.0.0.1", "localhost")
    clinic.code = f"CACHES = {{'default': {{'BACKEND': {backend!r}, 'LOCATION': {location!r}}}}}"
    assert_said(clinic.doctor(*ONLY, broker=healthy_redis.url), "W350", "CACHES['default']")
    clinic.code = clinic.code.replace("/0", "/2")
    assert clinic.doctor(*ONLY, broker=healthy_redis.url).ids == set()


def test_results_in_the_database_of_the_queues(clinic: Clinic, healthy_redis: RedisServer) -> None:
    url = healthy_redis.url
    seen = clinic.doctor(*ONLY, broker=url, celery={"result_backend": url})
    assert_said(seen, "I357", "database 0")
    elsewhere = {"result_backend": f"{url[:-1]}1"}
    assert clinic.doctor(*ONLY, broker=url, celery=elsewhere).ids == set()


def test_login_is_used_for_every_question(clinic: Clinic, tmp_path: Path) -> None:
    login = Login("jobs", "s3cret-word")
    with RedisServer(tmp_path / "locked", login=login, options=HEALTHY) as server:
        seen = clinic.doctor("--only", "broker", "--deploy", broker=server.url)
    assert (seen.ids, "s3cret" in str(seen.said)) == (set(), False), seen.told()
