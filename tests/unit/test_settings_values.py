"""Malformed variables are refused by name, and each value ends up where Celery or Django reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jost.settings.environment import Environment
from jost.settings.queues import NAMES
from tests.unit.settings_probe import given_by, settings_of

ROOT = Path(__file__).resolve().parents[2]


def _development(folder: Path, **environment: str) -> dict[str, Any]:
    return settings_of("development", {"JOST_DATA_DIR": str(folder), **environment})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("CELERY_BROKER_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("DATABASE_URL", "mysql://u:p@host/name"),
        ("DATABASE_URL", "postgresql://u:p@host:port/name"),
        ("DATABASE_URL", "sqlite://"),
        ("EMAIL_URL", "mail.example.com:25"),
        ("EMAIL_URL", "smtp://"),
        ("EMAIL_URL", "smtp://mail.example.com:none"),
        ("POSTGRES_PORT", "99999"),
        ("DJANGO_SECRET_KEY", "short"),
        ("CELERY_BROKER_POOL_LIMIT", "-1"),
        ("CELERY_BROKER_CONNECTION_TIMEOUT", "soon"),
        ("JOST_PROFILE", "fastest"),
        ("JOST_HTTPS", "perhaps"),
    ],
)
def test_malformed_value_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        _development(tmp_path, **{name: value})


def test_all_malformed_variables_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"(?s)LOG_LEVEL.*TASK_LOCK_TIMEOUT"):
        _development(tmp_path, LOG_LEVEL="LOUD", TASK_LOCK_TIMEOUT="long")


def test_refusal_never_shows_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        _development(tmp_path, DJANGO_SECRET_KEY="hunter2", DATABASE_URL="mysql://u:hunter2@h/n")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp://mail.example.com", 25, False, False),
        ("smtp+tls://ada:p%40ss@mail.example.com", 587, True, False),
        ("smtps://ada:p%40ss@mail.example.com:2465", 2465, False, True),
    ],
)
def test_mails_go_to_the_server_of_its_url(
    tmp_path: Path, url: str, port: int, *, tls: bool, ssl: bool
) -> None:
    settings = _development(tmp_path, EMAIL_URL=url, EMAIL_FROM="JOST <jost@example.com>")
    assert settings["EMAIL_BACKEND"].endswith("smtp.EmailBackend")
    assert (settings["EMAIL_HOST"], settings["EMAIL_PORT"]) == ("mail.example.com", port)
    assert (settings["EMAIL_USE_TLS"], settings["EMAIL_USE_SSL"]) == (tls, ssl)
    assert settings["EMAIL_HOST_PASSWORD"] == ("p@ss" if "@mail" in url else "")
    assert settings["DEFAULT_FROM_EMAIL"] == "JOST <jost@example.com>"


@pytest.mark.parametrize(("level", "debug"), [("DEBUG", True), ("debug", True), ("INFO", False)])
def test_debug_follows_log_level(tmp_path: Path, level: str, debug: bool) -> None:
    assert _development(tmp_path, LOG_LEVEL=level)["DEBUG"] is debug


def test_debug_is_off_when_nothing_is_said(tmp_path: Path) -> None:
    assert _development(tmp_path)["DEBUG"] is False


def test_no_database_connection_is_closed_between_tasks(tmp_path: Path) -> None:
    assert _development(tmp_path)["CELERY_DB_REUSE_MAX"] >= 100_000


@pytest.mark.parametrize(("said", "minutes"), [({}, 1440), ({"FOLLOWUP_REPEAT_THRESHOLD": "0"}, 0)])
def test_no_threshold_of_messages_is_said_by_a_nought(
    tmp_path: Path, said: dict[str, str], minutes: int
) -> None:
    assert _development(tmp_path, **said)["FOLLOWUP_REPEAT_THRESHOLD"] == minutes


def test_only_json_is_spoken(tmp_path: Path) -> None:
    settings = _development(tmp_path)
    assert settings["CELERY_ACCEPT_CONTENT"] == ["json"]
    assert settings["CELERY_TASK_SERIALIZER"] == settings["CELERY_RESULT_SERIALIZER"] == "json"


def test_every_route_leads_to_a_queue_that_exists(tmp_path: Path) -> None:
    settings = _development(tmp_path)
    assert {queue.name for queue in settings["CELERY_TASK_QUEUES"]} == set(NAMES)
    assert {route["queue"] for route in settings["CELERY_TASK_ROUTES"].values()} <= set(NAMES)


def test_stable_profile_keeps_connections_and_lets_producers_wait_5_seconds(tmp_path: Path) -> None:
    settings = _development(tmp_path)
    transport = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert settings["CELERY_BROKER_POOL_LIMIT"] == 10
    assert settings["CELERY_BROKER_CONNECTION_MAX_RETRIES"] is None
    assert transport["socket_connect_timeout"] == transport["socket_timeout"] == 5
    assert transport["socket_keepalive"] is True
    assert transport["health_check_interval"] == 30


def test_conservative_profile_is_the_published_table(tmp_path: Path) -> None:
    # env.list's values for the pool and the results must not undo what the profile is for.
    settings = _development(
        tmp_path,
        JOST_PROFILE="conservative",
        CELERY_BROKER_POOL_LIMIT="10",
        CELERY_RESULT_BACKEND="redis://redis:6379/1",
    )
    assert settings["CELERY_RESULT_BACKEND"] is None
    assert settings["CELERY_TASK_IGNORE_RESULT"] is True
    assert settings["CELERY_BROKER_POOL_LIMIT"] == 0
    assert settings["CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP"] is True
    transport = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert transport["socket_timeout"] == transport["socket_connect_timeout"] == 30
    # Ours: the table says nothing of them.
    assert (transport["socket_keepalive"], transport["health_check_interval"]) == (True, 30)
    assert settings["CELERY_REDIS_SOCKET_TIMEOUT"] == 30
    assert settings["CELERY_REDIS_SOCKET_CONNECT_TIMEOUT"] == 30


@pytest.mark.parametrize("profile", ["stable", "conservative"])
def test_no_profile_touches_the_visibility_timeout(tmp_path: Path, profile: str) -> None:
    settings = _development(tmp_path, JOST_PROFILE=profile)
    assert "visibility_timeout" not in settings["CELERY_BROKER_TRANSPORT_OPTIONS"]


@pytest.mark.parametrize("profile", ["stable", "conservative"])
def test_both_profiles_bound_what_a_job_and_a_process_may_take(
    tmp_path: Path, profile: str
) -> None:
    settings = _development(tmp_path, JOST_PROFILE=profile)
    assert settings["CELERY_WORKER_PREFETCH_MULTIPLIER"] == 1
    assert settings["CELERY_WORKER_MAX_TASKS_PER_CHILD"] == 1000
    assert settings["CELERY_WORKER_MAX_MEMORY_PER_CHILD"] == 512_000
    assert (
        settings["CELERY_TASK_ACKS_LATE"] is settings["CELERY_TASK_REJECT_ON_WORKER_LOST"] is True
    )
    assert 0 < settings["CELERY_TASK_SOFT_TIME_LIMIT"] < settings["CELERY_TASK_TIME_LIMIT"]
    assert settings["CELERY_RESULT_EXPIRES"] == 86_400


def test_connection_timeout_reaches_redis(tmp_path: Path) -> None:
    settings = _development(tmp_path, CELERY_BROKER_CONNECTION_TIMEOUT="7")
    assert settings["CELERY_BROKER_CONNECTION_TIMEOUT"] == 7
    assert settings["CELERY_BROKER_TRANSPORT_OPTIONS"]["socket_connect_timeout"] == 7


def test_retries_zero_is_for_ever_and_not_give_up_at_once(tmp_path: Path) -> None:
    # kombu ends the worker at the first refused connection when it is told 0.
    settings = _development(tmp_path, CELERY_BROKER_CONNECTION_MAX_RETRIES="0")
    assert settings["CELERY_BROKER_CONNECTION_MAX_RETRIES"] is None
    assert _development(tmp_path)["CELERY_BROKER_CONNECTION_MAX_RETRIES"] is None


def test_retries_are_counted_when_a_number_is_given(tmp_path: Path) -> None:
    settings = _development(tmp_path, CELERY_BROKER_CONNECTION_MAX_RETRIES="7")
    assert settings["CELERY_BROKER_CONNECTION_MAX_RETRIES"] == 7


def test_retries_none_leaves_celerys_own_default(tmp_path: Path) -> None:
    settings = _development(tmp_path, CELERY_BROKER_CONNECTION_MAX_RETRIES="None")
    assert "CELERY_BROKER_CONNECTION_MAX_RETRIES" not in settings


def test_result_expiry_is_read_under_its_documented_name(tmp_path: Path) -> None:
    settings = _development(tmp_path, CELERY_TASK_RESULT_EXPIRES="60")
    assert settings["CELERY_RESULT_EXPIRES"] == 60


REDIS = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "CACHE_URL")


@pytest.mark.parametrize("name", ["env.list", "local_env.list"])
def test_env_lists_are_complete_and_valid(tmp_path: Path, name: str) -> None:
    environment = given_by(name) | {"JOST_DATA_DIR": str(tmp_path)}
    settings = settings_of("production", environment)
    assert settings["DEBUG"] is True
    assert "app" in settings["ALLOWED_HOSTS"]
    assert settings["DATABASES"]["default"]["NAME"] == "app_db"
    # Broker, results and cache are three databases of Redis.
    assert [environment[name][-2:] for name in REDIS] == ["/0", "/1", "/2"]


def test_every_variable_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    missing = [name for name in Environment.model_fields if f"`{name}`" not in page]
    assert missing == []


def test_documented_meaning_is_the_one_in_the_code() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Environment.model_fields.items():
        assert field.description is not None
        assert field.description in page, name
