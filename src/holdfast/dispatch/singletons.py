"""`holdfast.singleton_task`: a task of which one job runs at a time, in the whole cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from celery import shared_task

from holdfast.exceptions import ConfigurationError
from holdfast.policies.limits import Limit
from holdfast.policies.unique import Unique


def singleton_task(
    function: Callable[..., Any] | None = None,
    *,
    by: str | Callable[..., Any] | None = None,
    on_conflict: Literal["wait", "skip"] = "wait",
    **options: Any,
) -> Any:
    """Make a shared task of which at most one job is queued or runs, or one for each key.

    What holds it is no lock: it is the job itself, and it lets go when its attempt is over or its worker's lease.

    Args:
        function: the body, if the decorator is used without parentheses.
        by: a parameter of the task, or a function of the call's arguments: one job of each key.
        on_conflict: "wait", and the others run one after the other; or "skip", and a call is no job of its own while
            there is one that has not ended: it returns the handle of that one.
        options: as for `shared_task`.

    Raises:
        ConfigurationError: `on_conflict` says something else, or `limit` or `unique` is given too.
    """
    if on_conflict not in ("wait", "skip"):
        raise ConfigurationError(
            f"singleton_task(on_conflict={on_conflict!r}): give 'wait' or 'skip'."
        )
    if taken := sorted(options.keys() & {"limit", "unique"}):
        raise ConfigurationError(
            f"singleton_task() makes {' and '.join(taken)} itself. "
            "Use shared_task with a Limit and a Unique of your own."
        )

    def make(body: Callable[..., Any]) -> Any:
        name = options.get("name") or f"{body.__module__}.{body.__name__}"
        one: dict[str, Any] = {"concurrency": 1} if by is None else {"by": by, "per_key": 1}
        more: dict[str, Any] = {"limit": Limit(f"singleton:{name}", **one)}
        if on_conflict == "skip":
            more["unique"] = Unique(by=by or _the_same, scope="unfinished", conflict="existing")
        return shared_task(**options, **more)(body)

    return make if function is None else make(function)


def _the_same(*args: Any, **kwargs: Any) -> str:
    """Return one key for all calls."""
    del args, kwargs
    return ""
