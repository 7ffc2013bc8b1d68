"""Settings of the broker that are sick, found by the command as a process without any service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast.testing.services import RedisServer
from tests.doctor.broker.clinic import NOWHERE, Clinic

# What can be wrong at once is asked for at once: each look is a process.
SICK: list[tuple[dict[str, Any], set[str]]] = [
    (
        {
            "broker_transport_options": {
                "socket_timeout": None,
                "socket_keepalive": False,
                "health_check_interval": 0,
                "retry_on_timeout": False,
            },
            "broker_connection_retry_on_startup": False,
            "broker_connection_max_retries": 10,
            "worker_pool": "threads",
            "worker_concurrency": 32,
            "result_backend": "redis://127.0.0.1:1/1",
            "result_expires": None,
            "redis_socket_timeout": None,
        },
        {"W360", "W361", "W362", "W363", "W364", "W365", "W366", "W367", "W368"},
    ),
    ({"broker_connection_max_retries": 0}, {"W006"}),
]


@pytest.mark.parametrize(("celery", "ids"), SICK, ids=["many", "W006"])
def test_setting_is_found_with_its_repair(
    clinic: Clinic, celery: dict[str, Any], ids: set[str]
) -> None:
    seen = clinic.doctor(broker=NOWHERE, celery=celery)
    assert ids <= seen.ids, seen.told()
    for id in ids:
        found = seen.of(id)
        assert "CELERY_" in found["repair"] + found["evidence"]


def test_sound_settings_are_passed_by_in_silence(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    url = healthy_redis.url
    sound = {
        "broker_transport_options": {"socket_timeout": 5, "socket_keepalive": True},
        "broker_connection_max_retries": None,
        "worker_pool": "threads",
        "worker_concurrency": 10,
        "result_backend": f"{url[:-1]}1",
    }
    seen = clinic.doctor("--only", "broker", broker=url, celery=sound)
    assert (seen.status, seen.ids) == (0, set()), seen.told()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:6379/0", 'CELERY_BROKER_URL = "redis://localhost:6379/0"'),
        ("redis://:pa/ss-word@127.0.0.1:6379/0", "%2F"),
    ],
)
def test_malformed_url_is_the_finding(clinic: Clinic, url: str, says: str) -> None:
    seen = clinic.doctor(broker=url)
    found = seen.of("E301")
    assert says in f"{found['evidence']} {found['repair']}"
    assert seen.status == 1
    assert "ss-word" not in str(seen.said)
    assert "E301" in seen.said["advice"]


WITHOUT = "del CELERY_BROKER_URL"


def test_no_broker_is_told_before_celery_takes_its_default(clinic: Clinic) -> None:
    clinic.code = WITHOUT
    seen = clinic.doctor("--only", "broker", broker=None)
    assert "os.environ" in seen.of("E302")["repair"]
    assert any(one["probe"] == "broker_answers" for one in seen.said["skipped"])


def test_env_file_that_nobody_reads(clinic: Clinic) -> None:
    (clinic.folder / ".env").write_text(
        'DEBUG=1\nexport REDIS_URL="redis://:pass-word@redis:6379/0"\n'
    )
    clinic.code = WITHOUT
    seen = clinic.doctor("--only", "broker", broker=None)
    assert "REDIS_URL" in seen.of("W303")["evidence"]
    assert "REDIS_URL" in seen.of("E302")["repair"]
    assert "pass-word" not in str(seen.said)


@pytest.mark.parametrize("how", ["same address", "variable set"])
def test_env_file_that_is_read_is_passed_by_in_silence(clinic: Clinic, how: str) -> None:
    address = "redis://127.0.0.1:1/0" if how == "same address" else "redis://redis:6379/0"
    (clinic.folder / ".env").write_text(f"CELERY_BROKER_URL={address}\n")
    environment = {} if how == "same address" else {"CELERY_BROKER_URL": NOWHERE}
    seen = clinic.doctor("--only", "W303", environment=environment)
    assert "W303" not in seen.ids


def test_app_that_nobody_imports(clinic: Clinic) -> None:
    _project(clinic.folder, init="")
    seen = clinic.doctor(
        "--only", "broker", environment={"DJANGO_SETTINGS_MODULE": "lone.settings"}
    )
    assert "lone/__init__.py" in seen.of("E304")["repair"]
    named = clinic.doctor(
        *("--only", "E304", "--app", "lone.celery"),
        environment={"DJANGO_SETTINGS_MODULE": "lone.settings"},
    )
    assert "E304" not in named.ids, named.told()


def _project(folder: Path, *, init: str) -> None:
    package = folder / "lone"
    package.mkdir()
    (package / "__init__.py").write_text(init)
    (package / "settings.py").write_text(
        "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.contenttypes', 'holdfast']\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x.sqlite3'}}\n"
        "CELERY_BROKER_URL = 'redis://127.0.0.1:1/0'\n"
    )
    (package / "celery.py").write_text(
        "from holdfast import Celery\napp = Celery('lone')\n"
        "app.config_from_object('django.conf:settings', namespace='CELERY')\n"
    )


@pytest.mark.parametrize(
    ("words", "debug", "id"),
    [
        ((), True, "W230"),
        ((), False, "E006"),
        (("--deploy",), True, "W230"),
        (("--deploy",), False, "E006"),
    ],
)
def test_eager_mode_is_said_once(
    clinic: Clinic, words: tuple[str, ...], debug: bool, id: str
) -> None:
    clinic.code = f"DEBUG = {debug}"
    areas = ("--only", "celery", "--only", "settings", "--only", "deploy")
    seen = clinic.doctor(*words, *areas[: 6 if words else 4], celery={"task_always_eager": True})
    assert seen.ids & {"W230", "E006"} == {id}, seen.told()
