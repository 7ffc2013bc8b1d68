"""The calls a waiting job stands for: its own, and those that its end will set off, as its message carries them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Celery
from kombu.serialization import loads, prepare_accept_content

from holdfast import vault
from holdfast.ledger.reads.backlog import OpenJob

ERRBACK_TASK = "holdfast.call_errback"
_MAPS = frozenset({"celery.map", "celery.starmap"})
# In whose place a result stands that is not there yet.
RESULT = object()


@dataclass(frozen=True, slots=True)
class Call:
    """One call that will be made."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    """Where it stands in the job's message: "" for the job's own call, else "chain", "link", "chord" or the like."""


class Unreadable(ValueError):
    """A job's body cannot be decoded here."""


def calls_of(app: Celery, job: OpenJob) -> Iterator[Call]:
    """Yield every call that a job will make when it runs and ends.

    Raises:
        Unreadable: its body is damaged, or of a kind that CELERY_ACCEPT_CONTENT does not allow.
    """
    args, kwargs, embed = _decoded(app, job)
    yield from _own(app, Call(job.task, tuple(args or ()), kwargs or {}))
    # Celery keeps what is left of a chain with the next step last.
    for step in reversed(embed.get("chain") or ()):
        yield from _called(app, step, (RESULT,), "chain")
    for callback in embed.get("callbacks") or ():
        yield from _called(app, callback, (RESULT,), "link")
    for errback in embed.get("errbacks") or ():
        yield from _called_on_error(app, errback)
    if embed.get("chord"):
        yield from _called(app, embed["chord"], (RESULT,), "chord")


def _decoded(app: Celery, job: OpenJob) -> tuple[Any, Any, Mapping[str, Any]]:
    try:
        body, encoding = vault.opened(job.body, job.content_encoding, json.loads(job.headers))
        accept = prepare_accept_content(app.conf.accept_content)
        args, kwargs, embed = loads(body, job.content_type, encoding, accept=accept)
    except Exception as error:  # every serializer has its own errors
        raise Unreadable(repr(error)) from error
    return args, kwargs, embed or {}


def _own(app: Celery, call: Call) -> Iterator[Call]:
    """Yield a call, and those that it carries in its arguments."""
    yield call
    if call.task == ERRBACK_TASK and len(call.args) > 1:
        yield from _called_on_error(app, call.args[1])
    elif call.task in _MAPS:
        task = (call.kwargs.get("task") or {}).get("task", "")
        for item in call.kwargs.get("it") or ():
            args = (item,) if call.task == "celery.map" else tuple(item)
            yield Call(task, args, {}, "map")


def _called(app: Celery, signature: Any, before: Sequence[Any], where: str) -> Iterator[Call]:
    """Yield the calls of a signature that is given `before` in front of its own arguments."""
    if not isinstance(signature, Mapping):
        return
    given = () if signature.get("immutable") else tuple(before)
    args = (*given, *(signature.get("args") or ()))
    kwargs = signature.get("kwargs") or {}
    kind = signature.get("subtask_type")
    if kind == "group":
        for member in kwargs.get("tasks") or ():
            yield from _called(app, member, args, where)
    elif kind == "chain":
        for index, step in enumerate(kwargs.get("tasks") or ()):
            yield from _called(app, step, (RESULT,) if index else args, where)
    elif kind == "chord":
        header = kwargs.get("header") or ()
        members = [header] if isinstance(header, Mapping) else header
        for member in members:
            yield from _called(app, member, args, where)
        yield from _called(app, kwargs.get("body"), (RESULT,), where)
    else:
        for call in _own(app, Call(str(signature.get("task")), args, kwargs, where)):
            yield Call(call.task, call.args, call.kwargs, where)
    yield from _set_off(app, signature.get("options") or {}, where)


def _set_off(app: Celery, options: Mapping[str, Any], where: str) -> Iterator[Call]:
    for callback in _many(options.get("link")):
        yield from _called(app, callback, (RESULT,), where)
    for errback in _many(options.get("link_error")):
        yield from _called_on_error(app, errback)
    if options.get("chord"):
        yield from _called(app, options["chord"], (RESULT,), where)


def _called_on_error(app: Celery, signature: Any) -> Iterator[Call]:
    """Yield the calls of an error callback: it is given an id, or, if it takes more, (request, exc, traceback)."""
    given: tuple[Any, ...] = (RESULT,)
    task = app.tasks.get(signature.get("task")) if isinstance(signature, Mapping) else None
    header = getattr(task, "__header__", None)
    if header is not None and not hasattr(header, "func"):  # bound tasks take the id, as in Celery
        places = app.backend._errback_arity_greater(app.signature(dict(signature)), 1)  # noqa: SLF001
        given = (RESULT,) * 3 if places else given
    yield from _called(app, signature, given, "error callback")


def _many(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)
