"""A Redis that is reached and is sick: each sickness made on a real server, and a healthy one in silence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from holdfast.testing.services import Login, Mode, RedisServer, TcpProxy, free_port
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


SICK: dict[str, tuple[Sick, str]] = {
    "E340": (_set("maxmemory-policy allkeys-lru"), "allkeys-lru"),
    "W341": (_set("maxmemory-policy volatile-ttl"), "volatile-ttl"),
    "W342": (_set("maxmemory 0"), "maxmemory is 0"),
    "W343": (_limit(0.9), "MiB"),
    "E344": (_limit(1.1), "refuses writes"),
    "W345": (_set("appendonly no", 'save ""'), "appendonly is no"),
    "W347": (_set("timeout 60"), "60 seconds"),
    "W348": (_set("tcp-keepalive 0"), "tcp-keepalive is 0"),
}
MENDED = (
    "maxmemory-policy noeviction",
    "maxmemory 209715200",
    "appendonly yes",
    "timeout 0",
    "tcp-keepalive 300",
    "maxclients 10000",
)


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


@pytest.mark.parametrize("id", SICK)
def test_server_that_is_set_wrong_or_full(clinic: Clinic, server: RedisServer, id: str) -> None:
    make, says = SICK[id]
    make(server)
    assert_said(clinic.doctor(*ONLY, broker=server.url), id, says)


def test_nearly_all_clients_are_taken(clinic: Clinic, server: RedisServer) -> None:
    with ExitStack() as held:
        for _ in range(8):
            client = redis.Redis(port=server.port, single_connection_client=True)
            held.callback(client.close)
            client.ping()
        # The doctor's own probes connect as well, some at once.
        server.command("CONFIG SET maxclients 17")
        seen = clinic.doctor("--only", "W354", broker=server.url)
        server.command("CONFIG SET maxclients 10000")
    if "E328" not in seen.ids:
        assert_said(seen, "W354", "of 17 clients", only=False)


def test_data_that_cannot_be_written(clinic: Clinic, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    with RedisServer(folder, options=[*HEALTHY, "--save", "900", "1"]) as server:
        shutil.rmtree(folder)
        folder.mkdir()
        server.command("BGSAVE")
        state = "rdb_last_bgsave_status"
        eventually(lambda: server.facts("persistence")[state] == "err", told="the save has failed")
        seen = clinic.doctor(*ONLY, broker=server.url)
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
    assert_said(seen, "E331", "cluster")


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


@contextmanager
def loading(folder: Path) -> Iterator[str]:
    """Yield the address of a Redis that is reading its data, slowly."""
    from holdfast.testing.child import Child
    from holdfast.testing.redis_server import ask, find_redis_server

    folder.mkdir()
    with RedisServer(folder) as server:
        redis.Redis(port=server.port).mset({f"key {number}": "x" for number in range(3000)})
        server.command("SAVE")
        server.command("CONFIG SET appendonly no")
    for left in folder.glob("append*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    port = free_port()
    options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    # 10 ms for each key, and the socket is served between two of them.
    slow = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"]
    child = Child([str(find_redis_server()), *options, *slow], log=folder / "loading.log")
    try:

        def is_loading() -> bool:
            try:
                return ask(port, "PING", timeout=1).startswith("-LOADING")
            except OSError:
                return False

        eventually(is_loading, told=f"Redis is loading: {child.log_tail()}")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        import signal

        child.end(signal.SIGKILL, timeout=10)


def test_redis_that_loads_its_data(clinic: Clinic, tmp_path: Path) -> None:
    with loading(tmp_path / "large") as url:
        seen = clinic.doctor(*ONLY, broker=url)
    found = seen.of("E327")
    assert "LOADING" in found["evidence"].upper()


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
