"""Tasks of which calls with the same key are one job: one for each scope and each way to meet a conflict."""

from __future__ import annotations

import time

from celery import shared_task

from holdfast import Unique
from tests.project.tasks import note


@shared_task(unique=Unique(by="order"))
def sync(order: int, source: str = "shop") -> str:
    note(f"sync {order} {source}")
    return f"synced {order} {source}"


@shared_task(unique=Unique(by=["order"], scope="unfinished"))
def export(order: int, seconds: float = 0.0) -> str:
    note(f"begin {order}")
    time.sleep(seconds)
    note(f"end {order}")
    return f"exported {order}"


@shared_task(unique=Unique(period=3600))
def remind(order: int) -> None:
    note(f"remind {order}")


@shared_task(unique=Unique(by="page", conflict="postpone"))
def index(page: str, text: str = "") -> None:
    note(f"index {page} {text}")


@shared_task(unique=Unique(by="page", conflict="replace"))
def render(page: str, text: str = "") -> str:
    note(f"render {page} {text}")
    return text


@shared_task(
    unique=Unique(by=lambda *words, **_: [word.lower() for word in words], conflict="raise")
)
def translate(*words: str, to: str = "de") -> None:
    note(f"translate {words} {to}")


@shared_task
def plain(order: int) -> int:
    note(f"plain {order}")
    return order
