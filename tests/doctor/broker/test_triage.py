"""The triage on real services: which of the causes it is, in one sentence, by the command as a process."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db.models.functions import Now

from holdfast.ledger import interventions, transitions, workers
from holdfast.ledger.database import alias
from holdfast.ledger.models import Worker
from holdfast.ledger.states import Reason
from holdfast.ledger.workers import Consuming
from holdfast.testing.services import Mode, PostgresServer, RedisServer, TcpProxy, free_port
from tests.doctor.broker.clinic import Clinic
from tests.doctor.hired import hire
from tests.rows import new_job

pytestmark = pytest.mark.short_on("sqlite")

DROPS = ("--triage", "connection-drops")


def _asked(clinic: Clinic, *words: str, **options: Any) -> tuple[int, dict[str, Any]]:
    done = clinic.run("--json", *words, **options)
    return done.status, done.said


def test_wrong_port_is_service_discovery(clinic: Clinic) -> None:
    status, said = _asked(clinic, *DROPS, broker=f"redis://127.0.0.1:{free_port()}/0")
    assert (status, said["kind"], said["decided_by"]) == (1, "service discovery", "holdfast.E312")
    assert [step["answer"] for step in said["path"]] == ["yes"]


def test_localhost_in_a_container_is_service_discovery(clinic: Clinic) -> None:
    inside = {"DOCTOR_IN_CONTAINER": "yes"}
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
        _, said = _asked(clinic, *DROPS, "--timeout", "5", broker=proxy.url(healthy_redis.url))
    assert said["decided_by"] == "holdfast.E316"
    wrong = f"redis://nobody:some-word@127.0.0.1:{healthy_redis.port}/0"
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


def test_worker_that_takes_nothing_has_not_come_back(
    clinic: Clinic, site: dict[str, Any], healthy_redis: RedisServer
) -> None:
    stalled = hire("stalled@host", age=5000)
    workers.renew(stalled, consuming=Consuming(70.0, 40.0))
    Worker.objects.using(alias()).update(lease_until=Now() + timedelta(seconds=600))
    _, said = _asked(clinic, *DROPS, "--timeout", "30", **site)
    assert (said["decided_by"], said["path"][-1]["key"]) == ("holdfast.E502", "reconnect")
    assert "does not come back from a reconnect" in said["sentence"]


def test_visibility_timeout_is_no_reason_for_connections_that_drop(
    clinic: Clinic, site: dict[str, Any]
) -> None:
    short = {"visibility_timeout": 5}
    celery = {"broker_transport_options": short, "broker_connection_max_retries": None}
    status, said = _asked(clinic, *DROPS, celery=celery, **site)
    assert (status, said["sick"]) == (0, False), said


def test_health_says_how_to_wait_for_it(clinic: Clinic, healthy_redis: RedisServer) -> None:
    patient = {"broker_connection_max_retries": None}
    status, said = _asked(clinic, *DROPS, broker=healthy_redis.url, celery=patient)
    assert (status, said["sick"]) == (0, False), said
    assert "--watch" in said["sentence"]


def _failed(clinic: Clinic, **options: Any) -> tuple[str, str]:
    """Walk the seven; return what it is, and by which finding."""
    _, said = _asked(clinic, "--triage", "--timeout", "30", **options)
    return said["path"][-1]["key"], said["decided_by"].removeprefix("holdfast.")


@pytest.fixture
def site(
    clinic: Clinic, ledger: str, ledger_url: str, healthy_redis: RedisServer
) -> dict[str, Any]:
    """What the command is told of a ledger that is there and a Redis that is well."""
    # The project of the tests has modules of tasks for some of its sites alone.
    clinic.code = "SILENCED_SYSTEM_CHECKS = ['holdfast.W252']"
    return {"broker": healthy_redis.url, "environment": {"TEST_DATABASE_URL": ledger_url}}


def test_localhost_is_the_first_of_the_seven(clinic: Clinic) -> None:
    inside = {"DOCTOR_IN_CONTAINER": "yes"}
    found = _failed(clinic, broker=f"redis://localhost:{free_port()}/0", environment=inside)
    assert found == ("start", "E311")


def test_eager_mode_is_the_second(clinic: Clinic, site: dict[str, Any]) -> None:
    assert _failed(clinic, celery={"task_always_eager": True}, **site) == ("eager", "E006")


def test_redis_that_forgets_is_the_third(
    clinic: Clinic, site: dict[str, Any], healthy_redis: RedisServer
) -> None:
    healthy_redis.command("CONFIG SET appendonly no")
    try:
        assert _failed(clinic, **site) == ("messages", "W345")
    finally:
        healthy_redis.command("CONFIG SET appendonly yes")


def test_workers_that_are_killed_are_the_fourth(clinic: Clinic, site: dict[str, Any]) -> None:
    _bury("tests.project.tasks.noop", reason=Reason.POISON)
    assert _failed(clinic, **site) == ("memory", "W614")


def test_database_that_takes_no_more_connections_is_the_fifth(
    clinic: Clinic, healthy_redis: RedisServer, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database("crowded")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE ROLE crowd LOGIN CONNECTION LIMIT 1")
    crowd = url.replace("postgres@", "crowd@")
    assert crowd != url
    with psycopg.connect(crowd):
        environment = {"TEST_DATABASE_URL": crowd}
        found = _failed(clinic, broker=healthy_redis.url, environment=environment)
    assert found == ("database", "E405")


def test_task_that_a_worker_does_not_know_is_the_sixth(
    clinic: Clinic, site: dict[str, Any]
) -> None:
    _bury("shop.tasks.gone", reason=Reason.UNKNOWN_TASK)
    assert _failed(clinic, **site) == ("imports", "E615")


def test_jobs_that_nobody_takes_are_the_seventh(clinic: Clinic, site: dict[str, Any]) -> None:
    transitions.record([new_job(task="tests.project.tasks.noop", queue="nobody")])
    assert _failed(clinic, **site) == ("pending", "E501")


def test_health_is_none_of_the_seven(clinic: Clinic, site: dict[str, Any]) -> None:
    status, said = _asked(clinic, "--triage", "--timeout", "30", **site)
    assert (status, said["kind"]) == (0, "none of the seven"), said
    assert {step["answer"] for step in said["path"]} == {"no"}


def _bury(task: str, *, reason: str) -> None:
    job = new_job(task=task)
    transitions.record([job])
    interventions.bury(job.id, reason=reason)


def test_first_way_to_fail_is_settings_that_do_not_load(clinic: Clinic) -> None:
    clinic.code = "raise KeyError('SHOP_URL')"
    status, said = _asked(clinic, "--triage")
    assert (status, said["triage"], said["decided_by"]) == (1, "failures", "holdfast.E202")
