"""Django settings for the systems that are part of a project; the driver puts the addresses in by environment."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

_parts = urlsplit(os.environ["PEER_DATABASE_URL"])
SECRET_KEY = "measured-in-private"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *os.environ.get("PEER_APPS", "").split(),
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _parts.path.lstrip("/"),
        "USER": _parts.username,
        "HOST": _parts.hostname,
        "PORT": _parts.port,
        "CONN_MAX_AGE": None,
    }
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# An attempt that takes longer than `timeout` is killed, one that says nothing for `retry` is given to somebody else.
Q_CLUSTER = {"name": "peer", "workers": 2, "orm": "default", "timeout": 5, "retry": 10}
