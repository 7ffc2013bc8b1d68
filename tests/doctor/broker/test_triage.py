"""The triage on real services: which of the causes it is, in one sentence, by the command as a process."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.testing.services import Mode, RedisServer, TcpProxy, free_port
from tests.doctor.broker.clinic import Clinic

DROPS = ("--triage", "connection-drops")


def _asked(clinic: Clinic, *words: str, **options: Any) -> tuple[int, dict[str, Any]]:
    done = clinic.run("--json", *words, **options)
    return done.status, done.said


def test_wrong_port_is_service_discovery(clinic: Clinic) -> None:
    status, said = _asked(clinic, *DROPS, broker=f"redis://127.0.0.1:{free_port()}/0")
    assert (status, said["kind"], said["decided_by"]) == (1, "service discovery", "holdfast.E312")
    assert [step["answer"] for step in said["path"]] == ["yes"]


def test_localhost_in_a_container_is_service_discovery(clinic: Clinic) -> None:
    inside = {"HOLDFAST_CONTAINER": "yes"}
    _, said = _asked(
        clinic, *DROPS, broker=f"redis://localhost:{free_port()}/0", environment=inside
    )
    assert (said["kind"], said["decided_by"]) == ("service discovery", "holdfast.E311")


def test_server_that_ends_idle_connections_is_their_lifecycle(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    healthy_redis.command("CONFIG SET timeout 60")
    try:
        _, said = _asked(clinic, *DROPS, broker=healthy_redis.url)
    finally:
        healthy_redis.command("CONFIG SET timeout 0")
    assert said["decided_by"] == "holdfast.W347"
    assert "lifecycle, on the server's side" in said["sentence"]
    assert [step["answer"] for step in said["path"]] == ["no", "no", "yes"]


def test_connections_that_are_not_watched_are_their_lifecycle(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    sick = {"broker_transport_options": {"socket_keepalive": False}}
    _, said = _asked(clinic, *DROPS, broker=healthy_redis.url, celery=sick)
    assert "on this side" in said["sentence"]


def test_network_that_swallows_is_told_from_a_wrong_password(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    with TcpProxy(healthy_redis.port) as proxy:
        proxy.switch(Mode.BLACKHOLE)
        _, said = _asked(clinic, *DROPS, broker=proxy.url(healthy_redis.url))
    assert said["decided_by"] == "holdfast.E316"
    wrong = f"redis://:some-word@127.0.0.1:{healthy_redis.port}/0"
    _, said = _asked(clinic, *DROPS, broker=wrong)
    assert said["kind"].startswith("access")


@pytest.mark.parametrize(
    ("celery", "id"),
    [
        ({"broker_connection_max_retries": 0}, "W006"),
        ({"broker_connection_max_retries": 5}, "W365"),
    ],
)
def test_worker_that_gives_up_is_told(
    clinic: Clinic, healthy_redis: RedisServer, celery: dict[str, Any], id: str
) -> None:
    _, said = _asked(clinic, *DROPS, broker=healthy_redis.url, celery=celery)
    assert said["decided_by"] == f"holdfast.{id}"


def test_health_says_how_to_wait_for_it(clinic: Clinic, healthy_redis: RedisServer) -> None:
    patient = {"broker_connection_max_retries": None}
    status, said = _asked(clinic, *DROPS, broker=healthy_redis.url, celery=patient)
    assert (status, said["sick"]) == (0, False), said
    assert "--watch" in said["sentence"]


def test_first_way_to_fail_is_settings_that_do_not_load(clinic: Clinic) -> None:
    clinic.code = "raise KeyError('SHOP_URL')"
    status, said = _asked(clinic, "--triage")
    assert (status, said["triage"], said["decided_by"]) == (1, "failures", "holdfast.E202")
