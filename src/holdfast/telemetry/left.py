"""How an attempt or a call was left: by a return, by one of the ways that are no failures, or by an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from traceback import format_exception

from celery.exceptions import Ignore, Reject, Retry

from holdfast.exceptions import Aborted
from holdfast.policies.snooze import Snooze

# In this order: the first two are an Ignore as well.
_WAYS: tuple[tuple[type[BaseException], str], ...] = (
    (Snooze, "snooze"),
    (Aborted, "abort"),
    (Retry, "retry"),
    (Reject, "reject"),
    (Ignore, "ignore"),
)


@dataclass(frozen=True, slots=True)
class Left:
    """`by` is return, snooze, abort, retry, reject, ignore or error; the error is that of a retry, too."""

    by: str
    error: BaseException | None = None

    @property
    def is_error(self) -> bool:
        """Whether the body has raised it."""
        return self.error is not None

    @property
    def kind(self) -> str:
        """The name of the error's class; empty without one."""
        return "" if self.error is None else type(self.error).__qualname__

    def words(self, cleanse: Callable[[str], str]) -> dict[str, str]:
        """Return what the error says and where it was raised, cleansed of secrets."""
        if self.error is None:
            return {}
        return {
            "exception.message": cleanse(str(self.error)),
            "exception.stacktrace": cleanse("".join(format_exception(self.error))),
        }


def how_left(leaving: BaseException | None) -> Left:
    """Tell how something was left by what is on its way out; None is a return."""
    if leaving is None:
        return Left("return")
    for kind, by in _WAYS:
        if isinstance(leaving, kind):
            error = getattr(leaving, "exc", None) if by == "retry" else None
            return Left(by, error if isinstance(error, BaseException) else None)
    return Left("error", leaving)
