"""Unique: what a task or a call says of being the only one of its kind, and the key that follows from its arguments."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from kombu.utils.json import dumps

from holdfast.exceptions import ConfigurationError, InvalidArguments
from holdfast.ledger.states import Conflict, Scope

LONGEST_KEY = 255
_SCOPES = (Scope.QUEUED, Scope.UNFINISHED, Scope.PERIOD)
_CONFLICTS = (Conflict.EXISTING, Conflict.REPLACE, Conflict.POSTPONE, Conflict.RAISE)
_LONGEST_SECONDS = timedelta(days=3650).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """Calls of a task with the same key become one job: `@shared_task(unique=...)`, or `apply_async(unique=...)`.

    Raises:
        ConfigurationError: naming what cannot be meant.
    """

    by: str | Sequence[str] | Callable[..., Any] | None = None
    """What makes the key: names of arguments; a function that is given the arguments as the body would get them and
    returns a value with a form in JSON; all arguments if None."""
    scope: Literal["queued", "unfinished", "period"] | None = None
    """How long a job stands in the way of others: "queued" until it is claimed for the first time, which is the
    default; "unfinished" until it has ended; "period" for so many seconds from its record."""
    period: float | timedelta | None = None
    """The seconds of the scope "period", which it implies."""
    conflict: Literal["existing", "replace", "postpone", "raise"] = "existing"
    """What becomes of a call whose key is taken. "existing": the job that has it stands for the call. "replace": so it
    does, with the call's arguments and time if it still waits. "postpone": so it does, at the call's time if it still
    waits for an earlier one. "raise": UniqueConflict."""

    def __post_init__(self) -> None:
        if isinstance(self.by, str):
            object.__setattr__(self, "by", (self.by,))
        elif self.by is not None and not callable(self.by):
            object.__setattr__(self, "by", _names(self.by))
        if self.scope is None:
            scope = Scope.QUEUED if self.period is None else Scope.PERIOD
            object.__setattr__(self, "scope", scope)
        if self.scope not in _SCOPES:
            raise ConfigurationError(
                f"Unique(scope={self.scope!r}): it must be one of {_listed(_SCOPES)}."
            )
        if self.conflict not in _CONFLICTS:
            raise ConfigurationError(
                f"Unique(conflict={self.conflict!r}): it must be one of {_listed(_CONFLICTS)}."
            )
        if (self.scope == Scope.PERIOD) != (self.period is not None):
            raise ConfigurationError(
                f"Unique(scope={self.scope!r}, period={self.period!r}): the scope 'period' needs a period in seconds, "
                "and no other scope has one."
            )
        if self.period is not None:
            object.__setattr__(self, "period", _seconds(self.period))

    @property
    def period_seconds(self) -> float | None:
        """The seconds of the period; None for the other scopes."""
        assert not isinstance(self.period, timedelta)
        return self.period

    def check(self, task: str, run: Callable[..., Any]) -> None:
        """Refuse names that are no arguments of the task.

        Raises:
            ConfigurationError: naming the task, the name and the arguments there are.
        """
        if self.by is None or callable(self.by):
            return
        parameters = inspect.signature(run).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        unknown = [name for name in self.by if name not in parameters and not open_ended]
        if unknown:
            raise ConfigurationError(
                f"Task {task!r}: Unique(by={list(self.by)!r}) names {_listed(unknown)}, which its body does not take. "
                f"It takes {_listed(parameters) or 'nothing'}."
            )

    def key(
        self,
        task: str,
        run: Callable[..., Any] | None,
        args: Any,
        kwargs: Any,
        *,
        given: str | None,
    ) -> str:
        """Return the key of a call, 255 characters at most; the values of arguments are only in its digest.

        The same call is the same key however its arguments are written: by place, by name or by default.

        Args:
            task: the name of the task.
            run: its body; None if this process does not know it.
            args: the call's arguments, as they travel.
            kwargs: those by name.
            given: the caller's own text in place of what `by` would give.

        Raises:
            ConfigurationError: there is no telling the key in this process.
            InvalidArguments: a value has no form in JSON.
        """
        start = f"{task} {self.scope}"
        if given is not None:
            plain = f"{start} {_checked(task, given)}"
            return plain if len(plain) <= LONGEST_KEY else _digested(task, start, "", given)
        if run is None:
            raise ConfigurationError(
                f"Task {task!r} is not known in this process, so the key of a unique call cannot be made of its "
                "arguments. Import the task, or give the call a unique_key."
            )
        bound = inspect.signature(run).bind(*args, **kwargs)
        bound.apply_defaults()
        if callable(self.by):
            made = self.by(*bound.args, **bound.kwargs)
            if made is None:
                raise ConfigurationError(
                    f"Task {task!r}: the function of Unique(by=...) returned None, which makes no key. Return what is "
                    "the same for calls that are the same, or send the call with unique=False."
                )
            return _digested(task, start, getattr(self.by, "__name__", ""), made)
        named = _by_name(bound)
        names = sorted(named) if self.by is None else list(self.by)
        chosen = {name: named.get(name) for name in names}
        return _digested(task, start, "" if self.by is None else ",".join(names), chosen)

    def __json__(
        self,
    ) -> dict[str, Any]:  # what kombu asks for; a signature may travel in a message
        if callable(self.by):
            raise ConfigurationError(
                "Unique(by=<function>) cannot travel in a message, as a step of a chain or a member of a chord does. "
                "Set it on the task, or name the arguments."
            )
        return {
            "by": self.by,
            "scope": self.scope,
            "period": self.period,
            "conflict": self.conflict,
        }


def as_unique(said: Any, *, where: str) -> Unique | None:
    """Read what a task or a call says: a Unique, one that travelled as JSON, or False for none.

    Raises:
        ConfigurationError: it is something else.
    """
    if said is None or said is False or isinstance(said, Unique):
        return said or None
    if isinstance(said, Mapping) and said.keys() <= {"by", "scope", "period", "conflict"}:
        return Unique(**said)
    raise ConfigurationError(
        f"{where}: unique is {said!r}; it must be a holdfast.Unique, such as Unique(by='order_id'), or False."
    )


def _names(by: Any) -> tuple[str, ...]:
    names = tuple(by) if isinstance(by, Sequence) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigurationError(
            f"Unique(by={by!r}): it must be the names of arguments, a function of the arguments, or None for all."
        )
    return names


def _seconds(period: float | timedelta) -> float:
    seconds = period.total_seconds() if isinstance(period, timedelta) else period
    good = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not good or not math.isfinite(seconds) or not 0 < seconds <= _LONGEST_SECONDS:
        raise ConfigurationError(
            f"Unique(period={period!r}): it must be seconds or a timedelta, more than 0 and ten years at most."
        )
    return float(seconds)


def _checked(task: str, given: Any) -> str:
    if not isinstance(given, str) or not given or "\0" in given:
        raise ConfigurationError(
            f"Task {task!r}: unique_key is {given!r}; it must be a text that is not empty and has no zero character."
        )
    return given


def _by_name(bound: inspect.BoundArguments) -> dict[str, Any]:
    """Return arguments by their names, those of `**kwargs` by their own."""
    named = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            named |= named.pop(parameter.name)
    return named


def _digested(task: str, start: str, names: str, value: Any) -> str:
    try:
        text = dumps([start, names, value], sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InvalidArguments(
            f"Task {task!r}: its unique key cannot be made of these arguments, for they have no form in JSON "
            f"({error}). Choose others with Unique(by=...), let a function make the key, or give a unique_key.",
            task=task,
        ) from error
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    shown = f"{start} {names}"[: LONGEST_KEY - len(digest) - 1].rstrip()
    return f"{shown} {digest}"


def _listed(words: Any) -> str:
    return ", ".join(map(repr, words))
