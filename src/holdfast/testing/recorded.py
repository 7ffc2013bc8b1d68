"""Recorded jobs as a test sees them, and what a failed assertion says about them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pprint import pformat
from typing import Any

from django.utils import timezone
from kombu import serialization
from kombu.serialization import prepare_accept_content

from holdfast import vault
from holdfast.dispatch import django_run
from holdfast.exceptions import InvalidArguments
from holdfast.ledger.records import Message
from holdfast.ledger.rehearsal import Row

# Jobs that a failed assertion lists, and the length from which a difference is shown line by line.
LISTED = 20
LONG = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedJob:
    """One job of the ledger, at the moment it was asked for."""

    id: str
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    """Both as the body gets them: what the serializer makes of the call. JSON turns a tuple into a list."""
    queue: str
    priority: int
    state: str
    """"held", "queued", "running", "succeeded", "failed", "cancelled", "expired" or "dead"."""
    hold: str
    """Why it is held: "eta", "retry", "relay" or "replaced"; otherwise empty."""
    reason: str
    """Why it ended, if not well."""
    eta: datetime | None
    """When it is due, while it waits for that."""
    expires: datetime | None
    attempts: int
    failures: int
    losses: int
    undecodable: str = ""
    """The error, if a worker could not read the arguments; they are empty then."""

    def __str__(self) -> str:
        call = f"{self.task}{_call(self.args, self.kwargs)}"
        due = f" until {self.eta.isoformat(timespec='seconds')}" if self.eta else ""
        hold = f" ({self.hold}{due})" if self.hold else ""
        return f"{call} on {self.queue}, {self.state}{hold}{self.undecodable and ', undecodable'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an assertion asks for; None: anything."""

    task: Any
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    queue: str | None = None
    eta: datetime | timedelta | None = None
    within: timedelta = timedelta(seconds=10)

    def differences(self, job: RecordedJob, content_type: str) -> Iterator[str]:
        """Yield what about a job of this task is not as wanted."""
        args, kwargs = self._as_sent()
        if args is not None:
            expected = tuple(_through(content_type, value) for value in args)
            if expected != job.args:
                yield from _difference("args", expected, job.args)
        if kwargs is not None:
            named = {key: _through(content_type, value) for key, value in kwargs.items()}
            if named != job.kwargs:
                yield from _difference("kwargs", named, job.kwargs)
        if self.queue is not None and self.queue != job.queue:
            yield f"queue: expected {self.queue!r}, recorded {job.queue!r}"
        if self.eta is not None:
            yield from self._too_early_or_late(job)

    def __str__(self) -> str:
        said = [
            f"{name}={value!r}"
            for name in ("args", "kwargs", "queue", "eta")
            if (value := getattr(self, name)) is not None
        ]
        return " ".join([name_of(self.task), *said])

    def _as_sent(self) -> tuple[Sequence[Any] | None, Mapping[str, Any] | None]:
        """Return the arguments as a task with `typed_arguments` sends them."""
        if getattr(self.task, "typed_arguments", False):
            try:
                args, kwargs = self.task.argument_annotations.to_send(
                    self.args or (), self.kwargs or {}
                )
            except InvalidArguments:  # only some of them were given: compared as they are
                return self.args, self.kwargs
            return (
                None if self.args is None else args,
                None if self.kwargs is None else kwargs,
            )
        return self.args, self.kwargs

    def _too_early_or_late(self, job: RecordedJob) -> Iterator[str]:
        wanted = timezone.now() + self.eta if isinstance(self.eta, timedelta) else self.eta
        assert wanted is not None
        if job.eta is None:
            yield f"eta: expected {wanted}, recorded as due at once or due by now"
        elif abs(job.eta - wanted) > self.within:
            yield f"eta: expected {wanted} within {self.within}, recorded {job.eta}"


def job_of(row: Row, app: Any) -> RecordedJob:
    """Return a row as a test sees it."""
    args: Any = ()
    kwargs: Any = {}
    error = ""
    try:
        args, kwargs = arguments(row.message, app)
    except Exception as undecodable:  # noqa: BLE001  # every serializer has its own tree of errors
        error = repr(undecodable)
    task, args, kwargs = shown(row.task, args, kwargs)
    return RecordedJob(
        id=row.id,
        task=task,
        args=tuple(args),
        kwargs=kwargs,
        queue=row.queue,
        priority=row.priority,
        state=row.state.name.lower(),
        hold=row.hold,
        reason=row.reason,
        eta=row.due_at,
        expires=row.expires_at,
        attempts=row.attempts,
        failures=row.failures,
        losses=row.losses,
        undecodable=error,
    )


def arguments(message: Message, app: Any) -> tuple[Any, Any]:
    """Decode the arguments of a job as a worker of this app does."""
    headers = json.loads(message.headers)
    body, encoding = vault.opened(message.body, message.content_encoding, headers)
    accept = prepare_accept_content(app.conf.accept_content)
    args, kwargs, _ = serialization.loads(body, message.content_type, encoding, accept=accept)
    return args, kwargs


def shown(task: str, args: Any, kwargs: Any) -> tuple[str, Any, Any]:
    """Return the call of a Django task in place of the one Celery task that runs them all."""
    if task == django_run.NAME and {"path", "args", "kwargs"} <= kwargs.keys():
        return kwargs["path"], kwargs["args"], kwargs["kwargs"]
    return task, args, kwargs


def name_of(task: Any) -> str:
    """Return the name of a Celery task, or "module:function" of one of Django's; a string is a name already.

    Raises:
        TypeError: it is none of these.
    """
    if hasattr(task, "module_path"):
        return f"{task.func.__module__}:{task.func.__qualname__}"
    name = task if isinstance(task, str) else getattr(task, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"{task!r} is no task and no name of one: give the task itself.")
    return name


def report(
    wanted: Wanted,
    *,
    count: int | None,
    jobs: Iterable[tuple[RecordedJob, str]],
    hints: Iterable[str],
) -> str:
    """Say what was expected, what was recorded in its place, and what often is the cause."""
    everything = list(jobs)
    times = {None: "at least once", 0: "never", 1: "once"}.get(count, f"{count} times")
    lines = [f"Expected {times}: {wanted}"]
    if everything:
        lines.append(f"Recorded: {len(everything)}")
    else:
        lines.append("Nothing is recorded.")
    for number, (job, content_type) in enumerate(everything[:LISTED], start=1):
        lines.append(f"  {number}. {job}")
        if job.task == name_of(wanted.task):
            found = list(wanted.differences(job, content_type))
            lines += [f"       {line}" for line in found] or ["       matches"]
    if len(everything) > LISTED:
        lines.append(f"  and {len(everything) - LISTED} more")
    return "\n".join([*lines, *hints])


def _difference(what: str, expected: Any, found: Any) -> Iterator[str]:
    left, right = pformat(expected), pformat(found)
    if len(left) + len(right) <= LONG:
        yield f"{what}: expected {left}, recorded {right}"
        return
    yield f"{what}: - expected, + recorded"
    before, after = (pformat(value, width=LONG).splitlines() for value in (expected, found))
    yield from (f"  {line.rstrip()}" for line in difflib.ndiff(before, after))


def _through(content_type: str, value: Any) -> Any:
    """Return what a serializer makes of an expected value; what it cannot write, such as mock.ANY, stays as it is."""
    serializer = serialization.registry.type_to_name.get(content_type)
    try:
        kind, encoding, data = serialization.dumps(value, serializer=serializer)
        return serialization.loads(data, kind, encoding, accept={kind})
    except Exception:  # noqa: BLE001  # every serializer has its own tree of errors
        return value


def _call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    given = [repr(value) for value in args] + [f"{key}={value!r}" for key, value in kwargs.items()]
    text = ", ".join(given)
    return f"({text if len(text) <= 200 else text[:200] + ' ...'})"
