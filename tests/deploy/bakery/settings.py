"""Django settings of the bakery."""

from __future__ import annotations

from typing import Any

SECRET_KEY = "only-for-tests"
USE_TZ = True
ROOT_URLCONF = "tests.deploy.bakery.urls"
WSGI_APPLICATION = "bakery.wsgi.application"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "holdfast"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

CELERY_BROKER_URL = "memory://"
CELERY_TASK_DEFAULT_QUEUE = "counter"
CELERY_TASK_ROUTES = [
    {"bakery.weigh": {"queue": "cpu_intensive"}},
    [("bakery.order.*", {"queue": "io-suppliers"}), ("bakery.rest.*", {"queue": "counter"})],
]

HOLDFAST: dict[str, Any] = {
    "deploy": {
        "name": "corner-bakery",
        "web": {"command": ["gunicorn", "bakery.wsgi", "--bind", "0.0.0.0:{port}"], "port": 9000},
        "pools": {
            "ovens": {"queues": ["ovens"], "autoscale": (8, 2), "cpus": 1.5, "maximum": 4},
            "worker-io": {"pool": "asyncio", "concurrency": 500, "per_worker": 2000},
        },
        "monitoring": {
            "webhook": "http://bell.example.com:8000/ring",
            "token": "SCALES_TOKEN",
            "address": "http://prometheus-operated.watch.svc:9090",
        },
        "environment": {"MOTTO": 'fresh: 100% "bread" & $5 off, {true}'},
        "secrets": ["POSTGRES_PASSWORD", "SUPPLIER_KEY"],
        "image": {"name": "registry.example.com:5000/bakery:7", "python": "3.13"},
        "host": "bakery.example.com",
    },
}
