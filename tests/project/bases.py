"""Base classes and mixins of tasks as projects write them, with and without super()."""

from __future__ import annotations

from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject

from tests.project.leavings import LEAVINGS
from tests.project.tasks import note


class Audited(Task):  # type: ignore[misc]  # untyped in celery
    """Notes every hook; its `__call__` calls super()."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        note(f"call {self.request.id}")
        return super().__call__(*args, **kwargs)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note(f"before_start {task_id}")  # without super(): nothing of the ledger's is in the way

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note(f"on_success {task_id}")

    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note(f"on_retry {task_id}")

    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        note(f"on_failure {task_id} {type(exc).__name__}")

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None:
        note(f"after_return {task_id} {status}")


class Tenant:
    """A mixin that is no task: it reads a header for the body."""

    request: Any

    @property
    def tenant(self) -> str | None:
        return (self.request.headers or {}).get("tenant")


class AuditedForTenant(Tenant, Audited):
    """Both of them."""

    abstract = True


class Leaving(Task):  # type: ignore[misc]  # untyped in celery
    """Leaves before its body, as its first argument says."""

    abstract = True

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        note(f"before_start {task_id}")
        if args[0] == "ignore":
            raise Ignore
        if args[0] == "reject":
            raise Reject("not now", requeue=False)
        if args[0] == "raise":
            raise ValueError("before the body")
        if args[0] == "retry" and self.request.retries == 0:
            raise self.retry(countdown=0)


class Around(Task):  # type: ignore[misc]  # untyped in celery
    """Calls the body by the name of Celery's class, past whatever stands between."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Task.__call__(self, *args, **kwargs)


class Classy(Audited):
    """A class-based task."""

    name = "tests.classy"

    def run(self, x: int) -> int:
        note(f"run {self.request.id}")
        return x * 2


def audited(self: Any, how: str) -> Any:
    return LEAVINGS[how](self, "audited")


def tenant(self: Any) -> Any:
    return self.tenant


def leaving(how: str) -> str:
    return how


def around(self: Any, how: str) -> Any:
    note(f"start around {how}")
    return LEAVINGS[how](self, f"around {how}")
