"""A project of one file, run by the code of two releases: it uses what both of them have."""

import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import chord, shared_task
from django.db import transaction

import holdfast

SECRET_KEY = "the same for both releases, as it is in a deploy"  # of a test
USE_TZ = True
INSTALLED_APPS = ["holdfast"]
_at = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _at.path,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }
    if _at.scheme == "sqlite"
    else {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _at.path.lstrip("/"),
        "HOST": _at.hostname,
        "PORT": _at.port,
        "USER": _at.username,
    }
}
HOLDFAST = {"lease_seconds": 6, "sweep_seconds": 1}
CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_TASK_TIME_LIMIT = 300

app = holdfast.Celery("bureau")
app.config_from_object("django.conf:settings", namespace="CELERY")


def note(text: str) -> None:
    """Append a line to the record of what was done, by one write."""
    fd = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


@shared_task
def write(name: str) -> str:
    """Do something once, and say which release has."""
    note(f"{name} by {os.environ['RELEASE']}")
    return name


@shared_task
def wait_for(path: str) -> str:
    """Run until a file is there."""
    note("waits")
    while not Path(path).exists():
        time.sleep(0.02)
    return "it came"


@shared_task(bind=True)
def again(self: Any, name: str) -> str:
    """Fail once, and succeed."""
    if not self.request.retries:
        raise self.retry(exc=RuntimeError("not yet"), countdown=0.1)
    note(f"{name} by {os.environ['RELEASE']}")
    return name


@shared_task(unique=holdfast.Unique(by="name"))
def once(name: str) -> str:
    note(f"{name} by {os.environ['RELEASE']}")
    return name


@shared_task(bind=True, atomic=True)
def whole(self: Any, name: str) -> str:
    """Send another job to the queue that it came from, in the transaction of its end."""
    write.apply_async((f"{name} follows",), queue=self.request.delivery_info["routing_key"])
    return name


@shared_task
def together(names: list[str], name: str) -> str:
    note(f"{name} of {len(names)} by {os.environ['RELEASE']}")
    return name


@shared_task
def fall(name: str) -> None:
    raise ValueError(name)


def send(name: str, queue: str) -> int:
    """Send jobs of many kinds to a queue; return how many lines they will write."""
    on = {"queue": queue}
    write.s(f"{name} plain").set(**on).delay()
    write.apply_async((f"{name} later",), countdown=0.5, **on)
    again.apply_async((f"{name} again",), **on)
    fall.apply_async((f"{name} falls",), **on)
    (write.s(f"{name} first").set(**on) | together.s(f"{name} next").set(**on)).delay()
    chord(
        [write.s(f"{name} part {part}").set(**on) for part in range(3)],
        together.s(f"{name} chord").set(**on),
    ).delay()
    whole.apply_async((f"{name} whole",), **on)
    with transaction.atomic():
        for _ in range(2):
            once.apply_async((f"{name} once",), **on)
    return 11
