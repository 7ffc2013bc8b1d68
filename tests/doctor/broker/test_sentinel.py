"""Sentinels that name no master, or one that cannot be used, told apart on a real Sentinel."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.testing.child import Child
from holdfast.testing.redis_server import RedisServer, ask, find_redis_server
from holdfast.testing.services import free_port
from tests.doctor.broker.clinic import Clinic
from tests.doctor.broker.test_reach import ONLY, assert_found
from tests.eventually import eventually

Start = Callable[..., int]


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[Start]:
    """Start a Sentinel that watches a master called `jobs` on a port; returns its own port."""
    started: list[Child] = []

    def start(master: int, *, down_after: int) -> int:
        port = free_port()
        file = tmp_path / "sentinel.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor jobs 127.0.0.1 {master} 1\n"
            f"sentinel down-after-milliseconds jobs {down_after}\n"
        )
        command = [str(find_redis_server()), str(file), "--sentinel"]
        started.append(Child(command, log=tmp_path / "sentinel.log"))

        def answers() -> bool:
            try:
                return ask(port, "PING", timeout=1).startswith("+PONG")
            except OSError:
                return False

        eventually(answers)
        return port

    yield start
    for child in started:
        child.end(signal.SIGKILL, timeout=10)


def _named(name: str) -> dict[str, dict[str, str]]:
    return {"broker_transport_options": {"master_name": name}}


def test_good_sentinel_is_passed_by_in_silence(
    clinic: Clinic, sentinel: Start, healthy_redis: RedisServer
) -> None:
    url = f"sentinel://127.0.0.1:{sentinel(healthy_redis.port, down_after=60_000)}/0"
    seen = clinic.doctor(*ONLY, broker=url, celery=_named("jobs"))
    assert (seen.status, seen.ids) == (0, set()), seen.told()
    assert "redis_keeps_messages" in seen.said["asked"]


def test_name_that_the_sentinels_do_not_know(
    clinic: Clinic, sentinel: Start, healthy_redis: RedisServer
) -> None:
    url = f"sentinel://127.0.0.1:{sentinel(healthy_redis.port, down_after=60_000)}/0"
    seen = clinic.doctor(*ONLY, broker=url, celery=_named("wrong"))
    assert_found(seen, "E325", "'wrong'", "it knows jobs")


def test_master_that_is_down(clinic: Clinic, sentinel: Start) -> None:
    port = sentinel(free_port(), down_after=100)
    eventually(lambda: "s_down" in ask(port, "SENTINEL MASTER jobs", timeout=1))
    seen = clinic.doctor(*ONLY, broker=f"sentinel://127.0.0.1:{port}/0", celery=_named("jobs"))
    assert_found(seen, "E325", "jobs")


def test_master_that_is_named_and_cannot_be_reached(clinic: Clinic, sentinel: Start) -> None:
    port = sentinel(free_port(), down_after=60_000)
    seen = clinic.doctor(*ONLY, broker=f"sentinel://127.0.0.1:{port}/0", celery=_named("jobs"))
    assert_found(seen, "E326", "announce-ip")


def test_sentinels_are_asked_for_no_master(clinic: Clinic) -> None:
    assert "E010" in clinic.doctor(broker="sentinel://127.0.0.1:1/0").ids
