"""Tasks with limits: each notes when it began and ended, by one clock for all processes of the machine."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from celery import shared_task

from holdfast import Limit, singleton_task
from tests.project.charging import read, write


def noted(name: str, seconds: float) -> None:
    write("spans", f"begin {time.monotonic():.6f} {name}")
    time.sleep(seconds)
    write("spans", f"end {time.monotonic():.6f} {name}")


def spans(effects: Path) -> list[tuple[float, int, str]]:
    """Return when bodies began (+1) and ended (-1), in their order."""
    lines = [line.split() for line in read(effects, "spans")]
    return sorted((float(at), 1 if what == "begin" else -1, name) for what, at, name in lines)


def begun(effects: Path) -> list[str]:
    """Return the bodies that began, in their order."""
    return [name for _, step, name in spans(effects) if step == 1]


def most_at_once(effects: Path, *, but: Collection[str] = ()) -> int:
    """Return how many bodies ran at once, without those whose end was never noted."""
    now = most = 0
    for _, step, name in spans(effects):
        if name not in but:
            now += step
            most = max(most, now)
    return most


@shared_task(limit=Limit("narrow", concurrency=3))
def narrow(name: str, seconds: float = 0.0) -> None:
    noted(name, seconds)


@shared_task(limit=Limit("tenants", concurrency=2, by="tenant"))
def for_tenant(tenant: str, name: str, seconds: float = 0.0) -> None:
    noted(f"{tenant}/{name}", seconds)


@shared_task(limit=Limit("paced", rate="10/s", burst=5))
def paced(name: str) -> None:
    noted(name, 0.0)


@shared_task(bind=True, limit=Limit("alone", concurrency=1), max_retries=1)
def once_again(self: Any, name: str, countdown: float) -> None:
    noted(name, 0.0)
    if not self.request.retries:
        raise self.retry(countdown=countdown)


@shared_task(limit=Limit("wide", concurrency=1000), ignore_result=True)
def wide() -> None:
    pass


@shared_task(rate_limit="4/s")
def slow_by_celery(name: str) -> None:
    noted(name, 0.0)


@singleton_task
def alone(name: str, seconds: float = 0.0) -> None:
    noted(name, seconds)


@singleton_task(by="key", on_conflict="skip")
def once_each(key: str, seconds: float = 0.0) -> None:
    noted(key, seconds)
