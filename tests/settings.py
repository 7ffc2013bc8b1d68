"""Django settings of the test project; the tests put the databases and the broker in by environment."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from urllib.parse import urlsplit

from holdfast import logs


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
            "TEST": {"NAME": parts.path},
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "postgres",
        "HOST": parts.hostname or "127.0.0.1",
        "PORT": parts.port or 5432,
        "CONN_MAX_AGE": None,
        "OPTIONS": {"connect_timeout": 3},
    }


# Django 6 has the tasks API itself, Django 5.2 by the package.
TASKS_API = [] if find_spec("django.tasks") else ["django_tasks"]

SECRET_KEY = "only-for-tests"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *TASKS_API,
    "holdfast",
    "tests.project",
    *filter(None, os.environ.get("TEST_EXTRA_APPS", "").split(",")),
]
DATABASES = {
    "default": _database(
        os.environ.get("TEST_DATABASE_URL", "sqlite:////tmp/holdfast-unit.sqlite3")
    ),
    "other": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("TEST_OTHER_DATABASE", ":memory:"),
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


_SWITCHES = {"durable", "prepare_statements", "tracing", "console_read_only"}
_TEXTS = {"unsigned", "alive_file", "scheduler_alive_file", "ready_file", "metrics_token"}


def _setting(key: str, value: str) -> object:
    if key.endswith("_keys"):
        return value.split(",")
    if key.startswith("queue_") or key in {"alerts", "autoscale_levels"}:
        return json.loads(value)
    if key in _SWITCHES:
        return value == "True"
    return value if key in _TEXTS else float(value)


HOLDFAST: dict[str, object] = {
    key: _setting(key, value)
    for name, value in os.environ.items()
    if name.startswith("HOLDFAST_")
    and (key := name.removeprefix("HOLDFAST_").lower()) != "debugger"
}
for _whole in (
    "async_desks",
    "async_sync_threads",
    "max_lost_attempts",
    "prune_batch",
    "claim_ahead_max",
    "queued_per_worker",
    "workers_least",
    "workers_most",
):
    if _whole in HOLDFAST:
        HOLDFAST[_whole] = int(float(str(HOLDFAST[_whole])))
CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:1/0")
CELERY_DB_REUSE_MAX = 100_000
globals().update(
    {
        f"CELERY_{key.upper()}": value
        for key, value in json.loads(os.environ.get("TEST_CELERY", "{}")).items()
    }
)
TASKS: dict[str, dict[str, object]] = {
    "default": {"BACKEND": "holdfast.tasks.HoldfastBackend", "QUEUES": ["default", "reports"]},
    "stubborn": {
        "BACKEND": "holdfast.tasks.HoldfastBackend",
        "QUEUES": [],
        "OPTIONS": {"max_retries": 2, "retry_delay_seconds": 0.1},
    },
    "atomic": {"BACKEND": "holdfast.tasks.HoldfastBackend", "OPTIONS": {"atomic": True}},
    "hurried": {
        "BACKEND": "holdfast.tasks.HoldfastBackend",
        "OPTIONS": {"expires_seconds": 0.2, "time_limit": 1.0},
    },
}
if "TEST_LOGS" in os.environ:
    LOGGING = logs.config(**json.loads(os.environ["TEST_LOGS"]))
# Only a `celery beat` that a test starts reads it.
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "tests.project.tasks.effect", "schedule": 0.5, "args": ["tick"]}
}
