"""How long the finished jobs of a task are kept: what the task says, else what the settings say of its name.

Asked when a job is recorded and when finished jobs are pruned. A rule that is changed holds for the jobs that are
there; one that is new holds for jobs recorded from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is kept of a task's finished jobs; dead letters are not meant, they have a time of their own."""

    age: timedelta | None = None
    """How long; None as long as `result_expires` says."""
    last: int | None = None
    """How many of the newest at most; None as many as there are."""


def keep(age: Any, last: Any, *, where: str) -> Keep | None:
    """Build a rule of what a task or the settings say; None if they say nothing.

    Raises:
        ConfigurationError: naming the place, what is wrong with it and what may stand there.
    """
    if age is None and last is None:
        return None
    if isinstance(age, int | float) and not isinstance(age, bool):
        age = timedelta(seconds=age)
    if age is not None and not (isinstance(age, timedelta) and age > timedelta()):
        raise ConfigurationError(
            f"{where}: keep is {age!r}; it must be a timedelta or a number of seconds, greater than 0."
        )
    if last is not None and (isinstance(last, bool) or not isinstance(last, int) or last < 0):
        raise ConfigurationError(
            f"{where}: keep_last is {last!r}; it must be a number of jobs, 0 or more."
        )
    return Keep(age=age, last=last)


class Retention:
    """The rules of tasks, which `find` knows by their names."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find
        self._found: dict[str, Keep | None] = {}
        self._settings = get_settings()

    def rule(self, task_name: str) -> Keep | None:
        """Return the rule of a task by its name; None if it has none of its own."""
        if self._settings is not get_settings():
            self._settings, self._found = get_settings(), {}
        if task_name in self._found:
            return self._found[task_name]
        task = self._find(task_name)
        age, last = getattr(task, "keep", None), getattr(task, "keep_last", None)
        rule = keep(age, last, where=f"Task {task_name!r}") or _by_name(task_name)
        if task is not None:
            # One that is not known may be made later.
            self._found[task_name] = rule
        return rule


def _by_name(task_name: str) -> Keep | None:
    for pattern, said in (get_settings().keep or {}).items():
        if fnmatchcase(task_name, pattern):
            return _of_settings(pattern, said)
    return None


def _of_settings(pattern: str, said: Mapping[str, Any]) -> Keep | None:
    where = f"HOLDFAST['keep'][{pattern!r}]"
    unknown = said.keys() - {"keep", "keep_last"}
    if unknown:
        raise ConfigurationError(
            f"{where} has {', '.join(map(repr, sorted(unknown)))}: only 'keep' and 'keep_last' may stand there."
        )
    return keep(said.get("keep"), said.get("keep_last"), where=where)
