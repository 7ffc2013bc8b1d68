"""Rules that say which errors of a task are retried, how often and when; they are read where the body runs.

What they count lies in the ledger, with what the job is called with: no worker remembers it.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from holdfast.exceptions import ConfigurationError
from holdfast.policies.retry_after import Wait, as_wait, asked_by

logger = logging.getLogger("holdfast.attempt")
After = Callable[[Any], "float | timedelta | datetime | None"]


class Rule:
    """Errors of these classes, and of their subclasses, are retried.

    Args:
        errors: classes of exceptions.
        max: how often at most because of this rule; None is for ever.
        backoff: seconds before the first retry; doubled for each further one because of this rule.
        backoff_max: seconds that it never exceeds.
        jitter: wait a random part of it, from nothing to all (full jitter), so that many jobs do not come back at once.
        after: given the error, returns the wait in its place: seconds, a timedelta or an aware datetime; None for no
            opinion. If it raises, or returns what cannot be waited for, the log says so and the rule goes on without.
        honour_retry_after: wait at least as long as the error asks for by `Retry-After`, see the guide to retries;
            the backoff, with its jitter, comes on top.
        retry_after_max: seconds of a `Retry-After` that are waited at most.

    Raises:
        ConfigurationError: a rule that cannot be followed.
    """

    def __init__(
        self,
        *errors: type[Exception],
        max: int | None = 3,
        backoff: float = 1.0,
        backoff_max: float = 600.0,
        jitter: bool = True,
        after: After | None = None,
        honour_retry_after: bool = True,
        retry_after_max: float = 3600.0,
    ) -> None:
        self.names = _names(errors, type(self).__name__)
        self._errors = errors
        self.max = max
        self.backoff = backoff
        self.backoff_max = backoff_max
        self.jitter = jitter
        self.after = after
        self.honour_retry_after = honour_retry_after
        self.retry_after_max = retry_after_max
        self._refuse_bad_numbers()

    @property
    def key(self) -> str:
        """By what the retries because of this rule are counted: a rule may be moved or changed while jobs wait."""
        return ",".join(self.names)

    def matches(self, error: BaseException) -> bool:
        """Tell whether the rule is about this error."""
        if self._errors:
            return isinstance(error, self._errors)
        return not {_name(cls) for cls in type(error).__mro__}.isdisjoint(self.names)

    def covers(self, later: Rule) -> bool:
        """Tell whether nothing is left for a later rule."""
        return bool(later._errors) and all(issubclass(cls, self._errors) for cls in later._errors)

    def longest_backoff(self, retried: int) -> float:
        """Return the seconds to wait, without jitter, after so many retries because of this rule."""
        return min(self.backoff * 2.0 ** min(retried, 60), self.backoff_max)

    def __repr__(self) -> str:
        names = ", ".join(name.rpartition(".")[2] for name in self.names)
        return f"{type(self).__name__}({names}{self._limits()})"

    def __json__(self) -> dict[str, Any]:
        """Return the rule as it travels with a call.

        Raises:
            ConfigurationError: it has a function, which cannot.
        """
        if self.after is not None:
            raise ConfigurationError(
                f"{self!r} has after=, a function, and functions do not travel with a call. Give the rule to the "
                "task: @shared_task(retry_rules=[...])."
            )
        return {"errors": list(self.names)} | {name: getattr(self, name) for name in _NUMBERS}

    def _limits(self) -> str:
        often = "" if self.max is None else f", max={self.max}"
        return (
            f"{often or ', max=None'}, backoff={self.backoff:g}, backoff_max={self.backoff_max:g}"
        )

    def _refuse_bad_numbers(self) -> None:
        if self.max is not None and (type(self.max) is not int or self.max < 0):
            raise ConfigurationError(
                f"{self!r} cannot be followed: max is {self.max!r}. Give a whole number, or None for no limit."
            )
        for name in ("backoff", "backoff_max", "retry_after_max"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not (0 <= value < math.inf):
                raise ConfigurationError(
                    f"A rule for {self.key} cannot be followed: {name} is {value!r}. Give seconds, 0 or more."
                )
        if self.backoff > self.backoff_max:
            raise ConfigurationError(
                f"A rule for {self.key} cannot be followed: backoff is {self.backoff:g} s and backoff_max "
                f"{self.backoff_max:g} s. Give a backoff_max that is at least the first backoff."
            )
        if self.after is not None and not callable(self.after):
            raise ConfigurationError(
                f"A rule for {self.key} cannot be followed: after is {self.after!r}. Give a function of the error, or "
                "backoff=... for seconds."
            )


class Never(Rule):
    """Errors of these classes, and of their subclasses, are not retried, whatever later rules say."""

    def __init__(self, *errors: type[Exception]) -> None:
        super().__init__(*errors, max=0)

    def _limits(self) -> str:
        return ""


_NUMBERS = ("max", "backoff", "backoff_max", "jitter", "honour_retry_after", "retry_after_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules say of an error.

    Attributes:
        rule: the first that matches; None if none does.
        retry: whether the job is put back.
        exhausted: whether it is not because it was often enough.
        wait: for how long, or until when.
        longest: seconds that a wait until a moment lasts at most, by the database's clock; None for no bound.
        why: all of it in words.
    """

    rule: Rule | None
    retry: bool
    exhausted: bool
    why: str
    wait: Wait = 0.0
    longest: float | None = None


def decide(
    rules: Sequence[Rule],
    error: BaseException,
    *,
    counted: Mapping[str, int],
    retries: int,
    max_retries: int | None,
) -> Decision:
    """Ask the rules, in order, about an error; the first that matches decides.

    Args:
        rules: those of the task, or of the call.
        error: what left the body.
        counted: how often the job was retried because of each rule, by its key.
        retries: how often it was retried at all.
        max_retries: Celery's limit for all of them; None for none.
    """
    found = next(((n, r) for n, r in enumerate(rules, 1) if r.matches(error)), None)
    kind = type(error).__name__
    if found is None:
        why = f"{kind}: none of {len(rules)} rules is about it"
        return Decision(rule=None, retry=False, exhausted=False, why=why)
    number, rule = found
    said = f"{kind}: rule {number} of {len(rules)}, {rule!r}"
    if isinstance(rule, Never):
        return Decision(rule=rule, retry=False, exhausted=False, why=f"{said}: not retried")
    done = int(counted.get(rule.key, 0))
    if rule.max is not None and done >= rule.max:
        why = f"{said}: retried {done} times, and not again"
        return Decision(rule=rule, retry=False, exhausted=bool(done), why=why)
    if max_retries is not None and retries >= max_retries:
        why = f"{said}: the job was retried {retries} times, and max_retries is {max_retries}"
        return Decision(rule=rule, retry=False, exhausted=bool(retries), why=why)
    wait, longest, source = _wait(rule, error, done)
    often = "no limit" if rule.max is None else f"{done + 1} of {rule.max}"
    when = f"at {wait}" if isinstance(wait, datetime) else f"in {wait:.3g} s"
    why = f"{said}: retry {often} {when} ({source})"
    return Decision(rule=rule, retry=True, exhausted=False, why=why, wait=wait, longest=longest)


def _wait(rule: Rule, error: BaseException, done: int) -> tuple[Wait, float | None, str]:
    """Return the wait, the bound on one until a moment, and where it comes from."""
    if rule.after is not None:
        said = _asked_of(rule.after, error)
        if said is not None:
            return said, None, "after="
    backoff = rule.longest_backoff(done)
    own = random.uniform(0.0, backoff) if rule.jitter else backoff  # noqa: S311  # spreads, hides nothing
    asked = asked_by(error) if rule.honour_retry_after else None
    if asked is None:
        return own, None, "backoff"
    if isinstance(asked, datetime):
        return asked + timedelta(seconds=own), rule.retry_after_max + own, "Retry-After"
    return min(asked, rule.retry_after_max) + own, None, "Retry-After"


def _asked_of(after: After, error: BaseException) -> Wait | None:
    try:
        said = after(error)
    except Exception:
        name = type(error).__name__
        logger.exception("after= of a retry rule failed on %s: the backoff is taken", name)
        return None
    wait = None if isinstance(said, str | bytes) else as_wait(said)
    if said is not None and wait is None:
        logger.error(
            "after= of a retry rule returned %r for %s: give seconds, a timedelta or an aware datetime; the backoff "
            "is taken",
            said,
            type(error).__name__,
        )
    return wait


def check(rules: Any, *, whose: str) -> tuple[Rule, ...]:
    """Return the rules of a task or of a call, or refuse them.

    Raises:
        ConfigurationError: they are no rules, or one of them can never be reached.
    """
    if isinstance(rules, Rule) or not isinstance(rules, Iterable):
        raise ConfigurationError(
            f"{whose}: retry_rules is {rules!r}. Give a list: retry_rules=[Rule(ConnectionError)]."
        )
    checked = tuple(rules)
    for number, rule in enumerate(checked, 1):
        if not isinstance(rule, Rule):
            raise ConfigurationError(
                f"{whose}: item {number} of retry_rules is {rule!r}, which is no rule. Write Rule(...) or Never(...)."
            )
        for before, earlier in enumerate(checked[: number - 1], 1):
            if earlier.covers(rule) or earlier.key == rule.key:
                raise ConfigurationError(
                    f"{whose}: rule {number}, {rule!r}, can never match: rule {before}, {earlier!r}, comes first. "
                    "Put the narrower rule before the wider one."
                )
    return checked


def of_call(said: Any) -> tuple[Rule, ...]:
    """Make the rules that travelled with a call."""
    made = []
    for item in said:
        rule = Rule.__new__(Rule if item["max"] != 0 else Never)
        rule.names, rule._errors, rule.after = tuple(item["errors"]), (), None  # noqa: SLF001  # made anew
        for name in _NUMBERS:
            setattr(rule, name, item[name])
        made.append(rule)
    return tuple(made)


def _names(errors: Sequence[Any], what: str) -> tuple[str, ...]:
    for cls in errors:
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise ConfigurationError(
                f"{what}() takes classes of exceptions, and {cls!r} is none: {what}(ConnectionError, TimeoutError)."
            )
    if not errors:
        raise ConfigurationError(
            f"{what}() says no class of exceptions: write {what}(ConnectionError), or {what}(Exception) for all."
        )
    return tuple(_name(cls) for cls in errors)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
