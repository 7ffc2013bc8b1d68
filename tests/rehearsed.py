"""Tasks of an app of their own, for the tests of what projects test with: each does what a drain must get right."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NoReturn

from celery.exceptions import Reject
from django.db import close_old_connections, connections, transaction

from holdfast import Celery
from tests.project.models import AtomicEffect

ALIAS = "ledger"


def write(text: str) -> None:
    """Write one line to the ledger's own database."""
    AtomicEffect.objects.using(ALIAS).create(job=text)


def written() -> list[str]:
    """Return all lines."""
    return list(AtomicEffect.objects.using(ALIAS).order_by("id").values_list("job", flat=True))


def note(text: str) -> str:
    write(text)
    return text


def shown(*args: Any, **kwargs: Any) -> str:
    return repr((args, kwargs))


def raising(text: str) -> NoReturn:
    write(text)
    raise ValueError(text)


def failed(job_id: str) -> None:
    write("told of the failure")


def retrying(self: Any, text: str, countdown: float, until: int = 1) -> str:
    write(f"{text} {self.request.retries}")
    if self.request.retries < until:
        raise self.retry(countdown=countdown)
    return text


def autoretrying(self: Any, text: str) -> str:
    write(f"{text} {self.request.retries}")
    if self.request.retries < 2:
        raise ValueError(text)
    return text


async def acoroutine(self: Any, text: str) -> str:
    await AtomicEffect.objects.using(ALIAS).acreate(job=f"{text} {self.request.retries}")
    await asyncio.sleep(0)
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return text


def endless(self: Any) -> None:
    self.delay()


def rejecting() -> NoReturn:
    raise Reject("not this one", requeue=False)


def leaving() -> NoReturn:
    raise SystemExit(3)


def total(values: list[int]) -> int:
    write(f"total {sum(values)}")
    return sum(values)


def add(x: int, y: int) -> int:
    return x + y


def hooked(self: Any, text: str, fails: str = "") -> None:
    """Register hooks in all kinds of places, and say when each runs."""
    transaction.on_commit(partial(write, f"{text}: hook of the body"), using=ALIAS)
    with transaction.atomic(using=ALIAS):
        transaction.on_commit(partial(write, f"{text}: hook of a block"), using=ALIAS)
    try:
        with transaction.atomic(using=ALIAS):
            transaction.on_commit(partial(write, f"{text}: never"), using=ALIAS)
            raise LookupError
    except LookupError:
        pass
    transaction.on_commit(partial(self.app.tasks["note"].delay, f"{text}: job"), using=ALIAS)
    write(f"{text}: body")
    if fails == "hook":
        transaction.on_commit(partial(raising, f"{text}: failing hook"), using=ALIAS)
    if fails == "body":
        raise ValueError(text)


def breaking(*, swallow: bool = False) -> None:
    """Fail on a statement that a transaction does not survive."""
    write("before")
    transaction.on_commit(partial(write, "told of what was before"), using=ALIAS)
    try:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("INSERT INTO project_atomic_effect (id, job) VALUES (1, NULL)")
    except Exception:
        connections[ALIAS].needs_rollback = connections[ALIAS].in_atomic_block
        if not swallow:
            raise


def closing(text: str) -> str:
    """Do what long-running bodies do now and then."""
    write(text)
    close_old_connections()
    connections[ALIAS].close()
    return text


def hooking_again(self: Any) -> int:
    """Fail in a hook, the first time."""
    if self.request.retries == 0:
        transaction.on_commit(partial(raising, "failing hook"), using=ALIAS)
    return int(self.request.retries)


def cancelling(self: Any) -> None:
    self.app.control.revoke(self.request.id, terminate=True)


def app_with_tasks(app: Celery) -> Celery:
    """Register all of these, each under the name of its function."""
    register = partial(app.task, shared=False)
    for body in (note, shown, raising, failed, rejecting, leaving, total, add, breaking, closing):
        register(name=body.__name__)(body)
    for bound in (retrying, acoroutine, endless, hooked, cancelling):
        register(name=bound.__name__, bind=True)(bound)
    register(
        name="autoretrying",
        bind=True,
        autoretry_for=(ValueError,),
        retry_backoff=300,
        max_retries=5,
    )(autoretrying)
    register(name="hooking_again", bind=True, autoretry_for=(ValueError,), default_retry_delay=0)(
        hooking_again
    )
    for body in (note, raising, breaking):
        register(name=f"atomic.{body.__name__}", atomic=True)(body)
    register(name="atomic.hooked", bind=True, atomic=True)(hooked)
    register(name="plain", durable=False)(note)
    return app
