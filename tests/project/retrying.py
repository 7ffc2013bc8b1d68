"""Tasks that leave in every way, and note which of their hooks were called for which attempt."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger

from holdfast import Never, Rule, Snooze
from holdfast.exceptions import Aborted
from tests.project.tasks import note, noted

logger = logging.getLogger(__name__)
task_logger = get_task_logger("retrying")
HOOKS = ("on_retry", "on_failure", "on_success")
LONG = 3600.0


def _note(task: Any, what: str) -> None:
    note(f"{what} {task.request.id} {task.request.holdfast['attempt']}")


class Watched(Task):  # type: ignore[misc]  # see pyproject.toml
    """Notes its hooks; on_failure can be told to stay until it is killed."""

    abstract = True

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        _note(self, "on_success")

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        _note(self, "on_retry")

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        _note(self, "on_failure")


def _wait(task: Any, gate: str = "go") -> None:
    """Run until told to go on, or for a minute: who is killed meanwhile never comes so far."""
    note(f"waits {task.request.id}")
    deadline = time.monotonic() + 60
    while not Path(f"{os.environ['EFFECTS']}.{gate}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def _die(task: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(task: Any, how: str) -> str:
    logger.info("begun")
    task_logger.info("begun, by a logger of Celery's")
    first = task.request.holdfast["attempt"] == 1
    if how in {"wait", "limit"}:
        _wait(task, gate="go" if how == "wait" else "never")
    if how == "die" or (how == "die once" and first):
        _die(task)
    if how == "retry":
        try:
            raise ValueError("again")
        except ValueError as error:
            raise task.retry(countdown=LONG, exc=error) from error
    if how == "retry used up":
        raise task.retry(countdown=0, max_retries=1, exc=ValueError("again"))
    if how == "requeue" and first:
        raise Reject("not now", requeue=True)
    errors = {
        "value": ValueError("broken"),
        "key": KeyError("unknown"),
        "os": OSError("away"),
        "snooze": Snooze(LONG, reason="closed"),
        "ignore": Ignore(),
        "reject": Reject("not this one"),
        "abort": Aborted("asked to"),
    }
    if how in errors:
        raise errors[how]
    return how


@shared_task(bind=True, base=Watched)
def plain(self: Any, how: str) -> str:
    return _leave(self, how)


@shared_task(
    bind=True,
    base=Watched,
    retry_rules=[Never(KeyError), Rule(OSError, backoff=LONG, backoff_max=LONG, jitter=False)],
)
def ruled(self: Any, how: str) -> str:
    return _leave(self, how)


@shared_task(bind=True, base=Watched, retry_rules=[Rule(OSError, max=1, backoff=0)])
def ruled_once(self: Any, how: str) -> str:
    return _leave(self, how)


@shared_task(bind=True, base=Watched, autoretry_for=(OSError,), default_retry_delay=LONG)
def auto(self: Any, how: str) -> str:
    return _leave(self, how)


@shared_task
def told(job: str) -> None:
    """Be an error callback."""
    note(f"told {job}")


@shared_task(bind=True, retry_rules=[Rule(OSError, max=None, backoff=0)])
def fetch(self: Any, url: str) -> int:
    """Ask a shop over HTTP; its refusals say when to come back."""
    note(f"asks {self.request.id}")
    with urllib.request.urlopen(url) as answer:
        return int(answer.status)


@shared_task(bind=True)
def later(self: Any, seconds: float) -> str:
    """Snooze once, then return."""
    note(f"looks {self.request.id}")
    if self.request.holdfast["attempt"] == 1:
        self.snooze(seconds)
    return "there"


@shared_task
async def talk(name: str, times: int) -> None:
    """Log while others do."""
    for _ in range(times):
        logger.info("%s", name)
        await asyncio.sleep(0.01)


class Cleaning(Watched):
    """Its clean-up never comes to an end where it is told so."""

    abstract = True

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        super().on_failure(exc, task_id, args, kwargs, einfo)
        if kwargs["clean_up_dies"]:
            _die(self)


@shared_task(bind=True, base=Cleaning, retry_rules=[Rule(OSError, max=1, backoff=0)])
def cleaning(self: Any, *, clean_up_dies: bool, dies: bool) -> None:
    """Fail for good at its second try; before that, die once if told so."""
    note(f"tries {self.request.id}")
    if dies and noted(f"tries {self.request.id}") == 2:
        _die(self)
    raise OSError("away")


@shared_task(atomic=True)
def clean_up(job: str) -> None:
    """Be the error callback that cleans up for certain."""
    note(f"cleans {job}")
