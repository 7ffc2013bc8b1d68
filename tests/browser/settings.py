"""The test project with the console: what its workers, its scheduler and its web server are started with."""

from __future__ import annotations

from celery.schedules import crontab

from tests.browser.names import RULE
from tests.settings import *  # noqa: F403
from tests.settings import HOLDFAST as _HOLDFAST
from tests.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "django.contrib.staticfiles", "tests.browser"]
ROOT_URLCONF = "tests.browser.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
STATIC_URL = "/static/"
HOLDFAST = {
    **_HOLDFAST,
    "console_access": "tests.console.roles.of_header",
    "alerts": {
        # Nobody answers there.
        "channels": {"till": {"kind": "webhook", "url": "http://127.0.0.1:9/"}},
        "rules": [{"when": "dead_letter", "task": "shop.*", "name": RULE}],
        "every_seconds": 1.0,
    },
}
CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "stock take": {"task": "shop.count_stock", "schedule": crontab(minute="0", hour="3")},
    "newsletter": {
        "task": "shop.mail",
        "schedule": crontab(minute="30", hour="6", day_of_week="mon-fri"),
        "args": [7],
        "kwargs": {"api_key": "hush"},
    },
    "look at the till": {"task": "shop.count_stock", "schedule": 5.0},
}
