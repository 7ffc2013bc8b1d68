"""Django settings of the measured project; the stand puts the database and the brokers in by environment."""

from __future__ import annotations

import json
import os
from urllib.parse import urlsplit


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path,
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                # FULL: a commit is on disk when it returns, as on PostgreSQL with fsync on.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "measured-in-private"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
INSTALLED_APPS += [
    name
    for name in ("holdfast", "django_celery_results")
    if name in os.environ["BENCH_APPS"].split(",")
]
DATABASES = {"default": _database(os.environ["BENCH_DATABASE_URL"])}
# For the tasks that use it; no secret, it encrypts nothing but numbers.
HOLDFAST: dict[str, object] = {"encryption_keys": ["bWVhc3VyZWQtaW4tcHJpdmF0ZS1tZWFzdXJlZC1pbi0="]}
HOLDFAST |= json.loads(os.environ.get("BENCH_HOLDFAST", "{}"))
if os.environ.get("BENCH_WEB"):
    ROOT_URLCONF = "benchmarks.project.web"
    ALLOWED_HOSTS = ["localhost"]
    STATIC_URL = "/static/"
    HOLDFAST["console_access"] = "benchmarks.project.web.everybody"
