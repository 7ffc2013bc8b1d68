"""Tasks for tests: each leaves the way its name says, and notes its effects in a file outside the database."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from celery import chain, chord, group, shared_task
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from holdfast import Snooze


def note(text: str) -> None:
    """Append one line to the record of effects; one write, so that lines of many processes do not mix."""
    fd = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{text}\n".encode())
    finally:
        os.close(fd)


def noted(text: str) -> int:
    """Count how often a line is in the record."""
    return Path(os.environ["EFFECTS"]).read_text().splitlines().count(text)


@shared_task
def add(x: int, y: int) -> int:
    return x + y


@shared_task
def told(*args: Any, **kwargs: Any) -> str:
    """Return in words what the body was given."""
    return repr((args, kwargs))


@shared_task
def effect(name: str, seconds: float = 0.0) -> str:
    note(f"start {name}")
    time.sleep(seconds)
    note(f"end {name}")
    return name


@shared_task(ignore_result=True)
def noop() -> None:
    pass


# -- what stands around a job that leaves in some way --------------------------------------------------


@shared_task
def after(value: Any, name: str) -> str:
    """Be a link, the next step of a chain or the body of a chord."""
    note(f"after {name}")
    return f"after {name}"


@shared_task
def failed(request: Any, exc: BaseException, traceback: Any, name: str) -> None:
    """Be an error callback that takes what went wrong."""
    note(f"failed {name} {type(exc).__name__}")


@shared_task
def failed_id(job: str, *, name: str) -> None:
    """Be an error callback that takes an id."""
    note(f"failed {name} by id")


@shared_task
def total(values: list[Any]) -> int:
    return sum(values)


@shared_task
def collect(values: Any) -> Any:
    return values


@shared_task(bind=True)
def seen(self: Any, *_: Any, name: str = "", fails: int = 0) -> dict[str, Any]:
    """Note and return the custom headers this attempt has."""
    headers = {k: v for k, v in (self.request.headers or {}).items() if k != "holdfast"}
    note(f"seen {name} {headers.get('tenant')} {headers.get('trace')}")
    if self.request.retries < fails:
        raise self.retry(countdown=0)
    return headers


@shared_task(bind=True)
def stamps(self: Any, *_: Any, name: str, fails: int = 0) -> dict[str, Any]:
    """Note the stamp `tenant` of this attempt, and return all of them."""
    found = dict(self.request.stamps or {})
    note(f"stamped {name} {found.get('tenant')}")
    if self.request.retries < fails:
        raise self.retry(countdown=0)
    return found


@shared_task
def send_seen(name: str) -> None:
    seen.delay(name=name)


@shared_task(bind=True)
def seen_at_failure(self: Any, job: str, *, name: str) -> None:
    headers = self.request.headers or {}
    note(f"seen {name} {headers.get('tenant')} {headers.get('trace')}")


@shared_task(bind=True)
def facts(self: Any) -> dict[str, Any]:
    """Return what a body can know of its own call."""
    info = self.request.delivery_info or {}
    return {
        "id": self.request.id,
        "queue": info.get("routing_key"),
        "priority": info.get("priority"),
        "shadow": self.request.shadow,
        "timelimit": list(self.request.timelimit or ()),
        "ignore_result": self.request.ignore_result,
        "parent": self.request.parent_id,
        "root": self.request.root_id,
    }


@shared_task(bind=True, name="tests.progress")
def progress(self: Any, gate: str) -> str:
    """Show progress until the file `gate` is there."""
    self.update_state(state="PROGRESS", meta={"done": 3, "of": 10})
    while not Path(gate).exists():
        time.sleep(0.02)
    return "complete"


@shared_task
def wait_for_file(gate: str, name: str) -> str:
    """Run until the file `gate` is there; at most a minute."""
    note(f"start {name}")
    deadline = time.monotonic() + 60
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    note(f"end {name}")
    return name


@shared_task(bind=True)
def retry_in(self: Any, seconds: float) -> None:
    raise self.retry(countdown=seconds, exc=ValueError("again"))


# -- ways to leave ----------------------------------------------------------------------------------


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


def _leave(task: Any, how: str, name: str) -> Any:
    note(f"start {name}")
    return LEAVINGS[how](task, name)


@shared_task(bind=True)
def leave(self: Any, how: str, name: str) -> Any:
    return _leave(self, how, name)


@shared_task(bind=True, atomic=True)
def leave_atomic(self: Any, how: str, name: str) -> Any:
    return _leave(self, how, name)


@shared_task(bind=True, ignore_result=True)
def leave_silent(self: Any, how: str, name: str) -> Any:
    return _leave(self, how, name)


@shared_task(bind=True, durable=False)
def leave_plain(self: Any, how: str, name: str) -> Any:
    return _leave(self, how, name)


@shared_task(bind=True, autoretry_for=(ValueError,), max_retries=2, default_retry_delay=0)
def autoretry(self: Any, name: str, until: int) -> str:
    note(f"start {name}")
    if self.request.retries < until:
        raise ValueError(name)
    return name


@shared_task(bind=True)
def add_another(self: Any, x: int) -> int:
    self.add_to_chord(add.s(x, x))
    return x


@shared_task(bind=True)
def become(self: Any, replacement: dict[str, Any]) -> Any:
    return self.replace(self.app.signature(replacement))


@shared_task(bind=True)
def send_then(self: Any, how: str, name: str) -> Any:
    """Send another job, then leave: the children of a job."""
    effect.delay(f"child of {name}")
    return _leave(self, how, name)


@shared_task(bind=True, atomic=True)
def send_then_atomic(self: Any, how: str, name: str) -> Any:
    effect.delay(f"child of {name}")
    return _leave(self, how, name)
