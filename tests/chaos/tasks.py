"""Tasks of the chaos scenarios: each notes every run of its body outside the database; runs in workers."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from typing import Any

from celery import shared_task

from holdfast import Limit, Unique
from tests.chaos.record import noted, token_of
from tests.project.models import AtomicEffect


@shared_task(bind=True)
def work(self: Any, seconds: float = 0.0) -> str:
    """Run for a while."""
    with noted(self.request):
        time.sleep(seconds)
    return str(self.request.id)


@shared_task(bind=True)
def work_until(self: Any, path: str) -> str:
    """Run until a file is there: a test says when, and no bound depends on the machine's speed."""
    with noted(self.request):
        while not os.path.exists(path):  # noqa: PTH110  # nothing else is loaded
            time.sleep(0.01)
    return str(self.request.id)


@shared_task(bind=True)
async def await_file(self: Any, path: str) -> str:
    """Be a coroutine that waits until a file is there."""
    with noted(self.request):
        while not os.path.exists(path):  # noqa: ASYNC240, PTH110  # a look holds nobody up
            await asyncio.sleep(0.1)
    return str(self.request.id)


@shared_task(bind=True)
def hungry(self: Any, megabytes: int = 64, seconds: float = 1.0) -> int:
    """Take memory bit by bit; where it is refused, the process is killed, as the system does that has none left."""
    with noted(self.request):
        taken = []
        for _ in range(megabytes):
            try:
                taken.append(bytearray(1 << 20))
            except MemoryError:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(seconds / megabytes)
        # It had enough: the next body here has done nothing to deserve the limit.
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    return len(taken)


@shared_task(bind=True, ignore_result=True)
def quick(self: Any) -> None:
    """End at once, with nothing kept."""
    with noted(self.request):
        pass


@shared_task(bind=True, atomic=True)
def atomic_work(self: Any, seconds: float = 0.0) -> str:
    """Write one row in the ledger's database, in the transaction that ends the job."""
    with noted(self.request):
        AtomicEffect.objects.using(_ledger()).create(job=self.request.id)
        time.sleep(seconds)
    return str(self.request.id)


@shared_task(bind=True, max_retries=None)
def flaky(self: Any, failures: int, countdown: float = 0.1) -> str:
    """Ask for a retry so often, then return."""
    with noted(self.request):
        if self.request.retries < failures:
            raise self.retry(countdown=countdown)
    return str(self.request.id)


@shared_task(bind=True)
def step(self: Any, before: Any = None, seconds: float = 0.0) -> str:
    """Be a link of a chain, or a member or the body of a chord; note and return whose attempt came before.

    What is returned is the job and the token of this attempt: a successor that a stale attempt sent shows it.
    """
    sent_by = before if isinstance(before, list) else [before] if before else []
    with noted(self.request, *sent_by):
        time.sleep(seconds)
    return f"{self.request.id}:{token_of(self.request)}"


@shared_task(bind=True, limit=Limit("five", concurrency=5))
def limited(self: Any, seconds: float = 0.0) -> None:
    """Be one of at most five that run at once."""
    with noted(self.request):
        time.sleep(seconds)


@shared_task(bind=True, limit=Limit("two of a tenant", concurrency=8, by="tenant", per_key=2))
def tenanted(self: Any, tenant: str, seconds: float = 0.0) -> None:
    """Be one of at most two of a tenant, and of eight in all."""
    with noted(self.request, tenant):
        time.sleep(seconds)


@shared_task(bind=True, unique=Unique(by="key", scope="unfinished"))
def alone(self: Any, key: str, seconds: float = 0.0) -> None:
    """Be the only job of a key that has not ended."""
    with noted(self.request, key):
        time.sleep(seconds)


@shared_task(bind=True)
def closing(self: Any, batch: str) -> None:
    """Be the callback of a batch."""
    with noted(self.request, batch):
        pass


@shared_task(bind=True)
def poison(self: Any, *, whole_worker: bool = False) -> None:
    """Kill the process that runs it, or its whole group as a container's limit does."""
    with noted(self.request):
        if whole_worker:
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _ledger() -> str:
    from holdfast.conf import get_settings

    return get_settings().database
