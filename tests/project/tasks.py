"""Tasks for tests: each leaves the way its name says, and notes its effects in a file outside the database."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from celery import shared_task


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


_hoard: list[bytes] = []


@shared_task
def hoard(mib: int, seconds: float = 0.0) -> int:
    """Keep memory for ever, as a cache without a bound does."""
    _hoard.append(b"x" * (mib * 2**20))
    time.sleep(seconds)
    return len(_hoard)


@shared_task
def effect(name: str, seconds: float = 0.0) -> str:
    note(f"start {name}")
    time.sleep(seconds)
    note(f"end {name}")
    return name


@shared_task(ignore_result=True)
def noop() -> None:
    pass


@shared_task(keep_last=2)
def latest_only(number: int) -> int:
    return number


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


# -- jobs that leave in some way ----------------------------------------------------------------------


def _leave(task: Any, how: str, name: str) -> Any:
    from tests.project.leavings import LEAVINGS  # they send the tasks of this module

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


@shared_task
def count(values: list[Any]) -> int:
    return len(values)


# Registered with these; they use what stands above.
from tests.project import coroutines  # noqa: E402, F401
