"""Where JOST's data is follows from the environment, in a documented order of precedence."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jost.settings import environment
from tests.unit.settings_probe import settings_of

KEY = "a-secret-key-of-sufficient-length"
POSTGRES = {
    "POSTGRES_HOST": "db.example",
    "POSTGRES_PORT": "5433",
    "POSTGRES_USER": "someone",
    "POSTGRES_DB": "some_db",
    "POSTGRES_PASSWORD": "p@ss",
}
PRODUCTION = {
    "API_HOST": "jost.example; localhost",
    "DJANGO_SECRET_KEY": KEY,
    "DATABASE_URL": "postgresql://u:p@url.example:5555/named",
    "CELERY_BROKER_URL": "redis://broker.example:6379/0",
}


def _development(folder: Path, **environment: str) -> dict[str, Any]:
    return settings_of("development", {"JOST_DATA_DIR": str(folder), **environment})


def _without(name: str) -> Mapping[str, str]:
    return {key: value for key, value in PRODUCTION.items() if key != name}


def test_database_url_wins_over_everything(tmp_path: Path) -> None:
    settings = _development(
        tmp_path, DATABASE_URL="postgresql://u:p%40ss@url.example:5555/named", **POSTGRES
    )
    database = settings["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("url.example", 5555, "named")
    assert database["PASSWORD"] == "p@ss"


def test_postgres_variables_come_second(tmp_path: Path) -> None:
    database = _development(tmp_path, **POSTGRES)["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["USER"]) == ("db.example", 5433, "someone")


@pytest.mark.parametrize(
    ("asked", "age", "pool"),
    [("20", 0, {"min_size": 1, "max_size": 20}), ("0", 300, None), ("", 300, None)],
)
def test_threads_share_connections_to_postgres_where_they_are_asked_to(
    tmp_path: Path, asked: str, age: int, pool: dict[str, int] | None
) -> None:
    database = _development(tmp_path, **POSTGRES, DATABASE_POOL=asked)["DATABASES"]["default"]
    assert (database["CONN_MAX_AGE"], database["OPTIONS"].get("pool")) == (age, pool)
    assert (
        "pool" not in _development(tmp_path, DATABASE_POOL=asked)["DATABASES"]["default"]["OPTIONS"]
    )


def test_embedded_sqlite_comes_last_and_waits_safely(tmp_path: Path) -> None:
    database = _development(tmp_path)["DATABASES"]["default"]
    assert database["NAME"] == str(tmp_path / "jost.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert "synchronous=FULL" in database["OPTIONS"]["init_command"]


def test_variable_set_to_nothing_counts_as_unset(tmp_path: Path) -> None:
    settings = _development(tmp_path, DATABASE_URL="", POSTGRES_HOST="", CELERY_BROKER_URL="")
    assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"


def test_some_postgres_variables_are_not_enough(tmp_path: Path) -> None:
    with pytest.raises(
        ImproperlyConfigured, match="POSTGRES_USER and POSTGRES_DB and POSTGRES_PASS"
    ):
        _development(tmp_path, POSTGRES_HOST="db.example")


def test_celery_broker_url_wins_over_redis_url(tmp_path: Path) -> None:
    settings = _development(
        tmp_path, CELERY_BROKER_URL="redis://first:6379/0", REDIS_URL="redis://second:6379/0"
    )
    assert settings["CELERY_BROKER_URL"] == "redis://first:6379/0"


def test_redis_url_is_taken_where_it_is_all_there_is(tmp_path: Path) -> None:
    settings = _development(tmp_path, REDIS_URL="redis://:secret@second:6379/0")
    assert settings["CELERY_BROKER_URL"] == "redis://:secret@second:6379/0"


def test_development_falls_back_to_the_embedded_redis_at_one_address(tmp_path: Path) -> None:
    first, second = _development(tmp_path), _development(tmp_path)
    assert first["CELERY_BROKER_URL"].startswith("redis://127.0.0.1:")
    assert first["CELERY_BROKER_URL"] == second["CELERY_BROKER_URL"]


def test_encrypted_redis_is_verified_unless_it_says_otherwise(tmp_path: Path) -> None:
    verified = _development(tmp_path, REDIS_URL="rediss://:p@host:6380/0")
    assert verified["CELERY_BROKER_URL"] == "rediss://:p@host:6380/0?ssl_cert_reqs=required"
    trusting = _development(tmp_path, REDIS_URL="rediss://:p@host:6380/0?ssl_cert_reqs=none")
    assert trusting["CELERY_BROKER_URL"].endswith("?ssl_cert_reqs=none")


def test_random_secret_key_is_one_for_all_processes_and_private(tmp_path: Path) -> None:
    first, second = _development(tmp_path)["SECRET_KEY"], _development(tmp_path)["SECRET_KEY"]
    assert first == second
    assert len(first) >= 50
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_two_folders_have_two_secret_keys(tmp_path: Path) -> None:
    one, other = _development(tmp_path / "one"), _development(tmp_path / "other")
    assert one["SECRET_KEY"] != other["SECRET_KEY"]


def test_production_takes_what_it_is_given() -> None:
    settings = settings_of("production", PRODUCTION)
    assert settings["ALLOWED_HOSTS"] == ["jost.example", "localhost"]
    assert settings["SECRET_KEY"] == KEY
    assert settings["CELERY_BROKER_URL"] == "redis://broker.example:6379/0"
    assert settings["DEBUG"] is False


@pytest.mark.parametrize(
    "name", ["API_HOST", "DJANGO_SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL"]
)
def test_production_names_what_is_missing_and_the_repair(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"{name} must be set") as refusal:
        settings_of("production", _without(name))
    assert "for instance" in str(refusal.value) or "make one" in str(refusal.value)


def test_production_never_falls_back_to_amqp_or_to_the_embedded_redis() -> None:
    with pytest.raises(ImproperlyConfigured, match="CELERY_BROKER_URL"):
        settings_of("production", _without("CELERY_BROKER_URL"))


def test_deployment_asks_for_a_login_unless_told_otherwise() -> None:
    assert settings_of("production", PRODUCTION)["JOST_LOGIN"] is True
    assert settings_of("production", {**PRODUCTION, "JOST_LOGIN": "false"})["JOST_LOGIN"] is False


def test_machine_of_ones_own_asks_for_no_login_unless_told_so(tmp_path: Path) -> None:
    assert _development(tmp_path)["JOST_LOGIN"] is False
    assert _development(tmp_path, JOST_LOGIN="true")["JOST_LOGIN"] is True


def test_tests_need_no_service() -> None:
    settings = settings_of("test", {})
    assert settings["CELERY_BROKER_URL"] == "memory://"
    assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"


def test_name_of_the_master_reaches_those_who_ask_the_sentinels() -> None:
    behind = {
        "CELERY_BROKER_URL": "sentinel://s1.example:26379/0;sentinel://s2.example:26379/0",
        "CELERY_BROKER_MASTER_NAME": "jobs",
    }
    settings = settings_of("production", PRODUCTION | behind)
    assert settings["CELERY_BROKER_URL"] == behind["CELERY_BROKER_URL"]
    options = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert options["master_name"] == "jobs"
    assert options["socket_timeout"] > 0


def test_file_of_a_secret_comes_after_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "POSTGRES_PASSWORD").write_text("from a file\n")
    monkeypatch.setattr(environment, "SECRETS", tmp_path)
    for given, taken in [("", "from a file"), ("of the environment", "of the environment")]:
        monkeypatch.setenv("POSTGRES_PASSWORD", given)
        found = environment.read()
        assert found.POSTGRES_PASSWORD is not None
        assert found.POSTGRES_PASSWORD.get_secret_value() == taken
        assert found.is_given("POSTGRES_PASSWORD")


def test_folder_of_secrets_need_not_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "SECRETS", tmp_path / "none")
    monkeypatch.delenv("POSTGRES_PASSWORD", raising=False)
    assert environment.read().POSTGRES_PASSWORD is None
