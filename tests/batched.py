"""Tasks of an app of their own for the tests of batches; what they say goes into a list of the test's."""

from __future__ import annotations

from functools import partial, wraps
from typing import Any, NoReturn

from celery.exceptions import Ignore

from holdfast import Batch, Celery, current_batch

NOWHERE = "redis://127.0.0.1:1/0"


def new_batch(task: Any, name: str = "b", **more: Any) -> Batch:
    """Return a batch that says which of its ends have come."""
    told = task("told")
    return Batch(
        name,
        on_success=told.s("success"),
        on_complete=told.s("complete"),
        on_failure=told.s("failure"),
        **more,
    )


def add(x: int, y: int = 0) -> int:
    return x + y


def ignore(text: str) -> NoReturn:
    raise Ignore


def plain() -> None:
    """Be plain Celery."""


def grow(self: Any, depth: int) -> None:
    """Add to the batch from the inside, in both ways."""
    batch = current_batch()
    assert batch is not None
    if depth:
        with batch:
            self.delay(depth - 1)
        batch.add(self.app.tasks["say"].s(f"{depth}.{n}") for n in range(2))


def tail(self: Any) -> str:
    """Retry inside the block of another batch."""
    if self.request.retries < 2:
        with Batch("inside a retry"):
            raise self.retry(countdown=0)
    return "in the end"


class Heard:
    """Bodies that say something, and fail until they are mended."""

    def __init__(self, app: Celery, heard: list[str]) -> None:
        self.app = app
        self.heard = heard
        self.mended = False

    def say(self, *args: Any) -> str:
        self.heard.append(args[-1])
        return str(args[-1])

    def told(self, batch_id: str, event: str) -> None:
        self.heard.append(f"{event} of {Batch.get(batch_id).name}")

    def total(self, values: list[int]) -> int:
        self.heard.append(f"total {sum(values)}")
        return sum(values)

    def fail(self, text: str) -> str:
        if not self.mended:
            raise ValueError(text)
        return text

    def mend(self) -> None:
        self.mended = True

    def door(self) -> None:
        """Let somebody in, once everything is mended."""
        batch = current_batch()
        if self.mended and batch:
            batch.add([self.app.tasks["say"].s("let in")])


def app_with_tasks(app: Celery, heard: list[str]) -> Celery:
    """Register all tasks, each under the name of its function; those that say something append to `heard`."""
    register = partial(app.task, shared=False)
    said = Heard(app, heard)
    for name in ("say", "told", "total", "fail", "mend", "door"):
        register(name=name)(_function(getattr(said, name)))
    register(name="add")(add)
    register(name="ignore")(ignore)
    register(name="atomic", atomic=True)(_function(said.say))
    for bound in (grow, tail):
        register(name=bound.__name__, bind=True)(bound)
    register(name="plain", durable=False)(plain)
    return app


def _function(method: Any) -> Any:
    """Return a plain function: Celery binds the others itself."""

    @wraps(method)
    def body(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return body
