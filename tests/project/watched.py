"""Tasks that log and send others: what a trace and a log show of them is looked at."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from celery import shared_task
from celery.utils.log import get_task_logger

from tests.project.tasks import note, noted

logger = logging.getLogger(__name__)
task_logger = get_task_logger("watched")


@shared_task(bind=True)
def speak(self: Any, name: str, *, fails: int = 0, sends: str = "") -> str:
    """Log a line by each kind of logger; fail so often, and send another job by the way."""
    logger.info("said by %s", name)
    task_logger.warning("warned by %s", name)
    if sends:
        speak.delay(sends)
    if self.request.retries < fails:
        raise self.retry(exc=RuntimeError("not yet, password=hunter2"), countdown=0)
    return name


@shared_task
async def speak_async(name: str, *, sends: str = "") -> str:
    logger.info("said by %s", name)
    if sends:
        await speak.adelay(sends)
    return name


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@shared_task
def mumble() -> None:
    raise Speechless


@shared_task
def listen(found: Any, name: str) -> str:
    """Be the next step of a chain, or the body of a chord."""
    logger.info("said by %s", name)
    return name


@shared_task
def linger(name: str, attempts: int) -> str:
    """Not come to an end in the first attempts, for longer than anybody waits."""
    note(f"{os.getpid()} runs {name}")
    note(name)
    if noted(name) <= attempts:
        time.sleep(600)
    return name


@shared_task
def break_down(card_number: str) -> None:
    raise ValueError(f"cannot charge {card_number}")


@shared_task(durable=False)
def speak_plainly(name: str) -> str:
    logger.info("said by %s", name)
    return name
