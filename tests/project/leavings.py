"""The ways in which a body can leave, by the name a test calls each."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, NoReturn

from celery import chain, chord, group
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from holdfast import Snooze
from tests.project.tasks import add, effect, leave, noted


class AwkwardError(Exception):
    """An error that cannot be made again from its own arguments."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} of {right}")


def _return(task: Any, name: str) -> str:
    return name


def _return_nothing(task: Any, name: str) -> None:
    return None


def _return_unwritable(task: Any, name: str) -> object:
    return object()


def _raise(task: Any, name: str) -> NoReturn:
    raise ValueError(name)


def _raise_awkward(task: Any, name: str) -> NoReturn:
    raise AwkwardError(1, 2)


def _retry(task: Any, name: str) -> str:
    if task.request.retries == 0:
        raise task.retry(countdown=0)
    return name


def _retry_later(task: Any, name: str) -> str:
    if task.request.retries == 0:
        raise task.retry(countdown=0.3)
    return name


def _retry_no_throw(task: Any, name: str) -> str:
    if task.request.retries == 0:
        task.retry(countdown=0, throw=False)
        return "of the first attempt"
    return name


def _retry_exhausted(task: Any, name: str) -> NoReturn:
    raise task.retry(countdown=0, max_retries=1, exc=ValueError(name))


def _retry_exhausted_bare(task: Any, name: str) -> NoReturn:
    raise task.retry(countdown=0, max_retries=1)


def _retry_by_hand(task: Any, name: str) -> NoReturn:
    raise Retry("by hand")


def _snooze(task: Any, name: str) -> str:
    if noted(f"start {name}") == 1:
        raise Snooze(seconds=0, reason="not yet")
    return name


def _ignore(task: Any, name: str) -> NoReturn:
    raise Ignore


def _ignore_after_failure(task: Any, name: str) -> NoReturn:
    task.update_state(
        state="FAILURE",
        meta={"exc_type": "ValueError", "exc_message": [name], "exc_module": "builtins"},
    )
    raise Ignore


def _ignore_after_success(task: Any, name: str) -> NoReturn:
    task.update_state(state="SUCCESS", meta="stored by the body")
    raise Ignore


def _ignore_after_words(task: Any, name: str) -> NoReturn:
    task.update_state(state="FAILURE", meta="in words")
    raise Ignore


def _ignore_in_own_state(task: Any, name: str) -> NoReturn:
    task.update_state(state="SKIPPED", meta="stored by the body")
    raise Ignore


def _reject(task: Any, name: str) -> NoReturn:
    raise Reject("not this one", requeue=False)


def _reject_requeue(task: Any, name: str) -> str:
    if noted(f"start {name}") == 1:
        raise Reject("not now", requeue=True)
    return name


def _replace(task: Any, name: str) -> Any:
    return task.replace(effect.si(f"replacement of {name}"))


def _replace_chain(task: Any, name: str) -> Any:
    return task.replace(chain(add.s(1, 1), effect.si(f"replacement of {name}")))


def _replace_group(task: Any, name: str) -> Any:
    return task.replace(group(effect.si(f"replacement of {name}"), add.si(1, 2)))


def _replace_chord(task: Any, name: str) -> Any:
    body = effect.si(f"replacement of {name}")
    return task.replace(chord([add.s(1, 2), add.s(3, 4)], body))


def _replace_failing(task: Any, name: str) -> Any:
    return task.replace(leave.si("raise", f"{name}, replaced"))


def _replace_chain_failing(task: Any, name: str) -> Any:
    return task.replace(chain(leave.si("raise", f"{name}, replaced"), add.si(1, 2)))


def _soft_limit(task: Any, name: str) -> NoReturn:
    while True:
        time.sleep(0.05)


def _soft_limit_caught(task: Any, name: str) -> str:
    try:
        _soft_limit(task, name)
    except SoftTimeLimitExceeded:
        return "in time"


def _hard_limit(task: Any, name: str) -> NoReturn:
    while True:
        time.sleep(0.05)


def _lose_child(task: Any, name: str) -> str:
    if noted(f"start {name}") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def _lose_child_always(task: Any, name: str) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _exit(task: Any, name: str) -> str:
    if noted(f"start {name}") == 1:
        raise SystemExit(3)
    return name


LEAVINGS = {
    "return": _return,
    "return nothing": _return_nothing,
    "return unwritable": _return_unwritable,
    "raise": _raise,
    "raise awkward": _raise_awkward,
    "retry": _retry,
    "retry later": _retry_later,
    "retry, no throw": _retry_no_throw,
    "retry, exhausted": _retry_exhausted,
    "retry, exhausted bare": _retry_exhausted_bare,
    "retry by hand": _retry_by_hand,
    "snooze": _snooze,
    "ignore": _ignore,
    "ignore after failure": _ignore_after_failure,
    "ignore after success": _ignore_after_success,
    "ignore after words of failure": _ignore_after_words,
    "ignore in a state of its own": _ignore_in_own_state,
    "reject": _reject,
    "reject, requeue": _reject_requeue,
    "replace": _replace,
    "replace by chain": _replace_chain,
    "replace by group": _replace_group,
    "replace by chord": _replace_chord,
    "replace, failing": _replace_failing,
    "replace by chain, failing": _replace_chain_failing,
    "soft limit": _soft_limit,
    "soft limit, caught": _soft_limit_caught,
    "hard limit": _hard_limit,
    "lose child": _lose_child,
    "lose child always": _lose_child_always,
    "exit": _exit,
}
