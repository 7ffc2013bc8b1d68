"""Thousands of calls in one go: Celery builds the first message, the others are its copies with other arguments."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery.result import AsyncResult
from celery.utils.saferepr import saferepr
from kombu import serialization
from kombu.utils.json import dumps, loads

from holdfast import vault
from holdfast.dispatch.redaction import redaction_of
from holdfast.dispatch.unique_calls import UniqueCall, is_unique, standing_for
from holdfast.ledger.connections.aside import in_event_loop, in_thread
from holdfast.ledger.database import atomic
from holdfast.ledger.ids import new_id
from holdfast.ledger.records import NewJob, Use
from holdfast.policies.limits import uses_of

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

CHUNK = 1000
# These make each call its own message: they are sent one by one, in one batch.
_OWN_MESSAGE = frozenset(
    {"task_id", "link", "link_error", "chain", "chord", "group_id", "serializer", "compression"}
)


def apply_many(
    task: LedgerTask, calls: Iterable[Any], options: Mapping[str, Any]
) -> list[AsyncResult[Any]]:
    """Record and publish one job for each call; see `LedgerTask.apply_many`."""
    pairs = [_arguments(call) for call in calls]
    app = task.app
    if not pairs:
        return []
    durable = options.get("durable", task.durable)
    if app.conf.task_always_eager or durable is False or _OWN_MESSAGE & options.keys():
        with app.producer_or_acquire() as producer:
            return [
                task.apply_async(args, kwargs, producer=producer, **options)
                for args, kwargs in pairs
            ]
    with app.outbox.capture() as captured:
        task.apply_async(*pairs[0], **options)
    (template,) = captured
    unique = UniqueCall.of(task.name, task, dict(options)) if is_unique(task, options) else None
    mould = _Mould(template, task, unique, options.get("limit"))
    jobs = [template, *(mould.cast(args, kwargs) for args, kwargs in pairs[1:])]
    if in_event_loop():
        in_thread(lambda: _send_together(app, jobs))
    else:
        _send_together(app, jobs)
    return [task.AsyncResult(standing_for(job)) for job in jobs]


def _send_together(app: Any, jobs: Sequence[NewJob]) -> None:
    if jobs[0].unique is not None:
        # In the order of their keys, so that two that send many cannot wait for each other.
        jobs = sorted(jobs, key=lambda job: job.unique.key if job.unique else "")
    with atomic():
        for start in range(0, len(jobs), CHUNK):
            app.outbox.send(jobs[start : start + CHUNK])


class _Mould:
    """What all messages of one `apply_many` have in common, read off the first."""

    _OWN = ("root_id", "argsrepr", "kwargsrepr")

    def __init__(
        self, template: NewJob, task: LedgerTask, unique: UniqueCall | None, limit: Any = None
    ) -> None:
        self.limit = limit
        self.template = template
        self.task = task
        self.is_root = template.root_id == template.id
        headers = loads(template.headers)
        common = {key: value for key, value in headers.items() if key not in self._OWN}
        self.opening = dumps(common)[:-1] + (", " if common else "")
        amqp = task.app.amqp
        self.longest = (amqp.argsrepr_maxsize, amqp.kwargsrepr_maxsize)
        self.encrypts = vault.is_encrypted(template.content_encoding)
        self.plain_encoding = template.content_encoding.partition(vault.MARK)[0]
        self.redaction = redaction_of(task)
        self.unique = unique
        self.embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

    def limits(self, args: Any, kwargs: Any) -> tuple[Use, ...]:
        """Return what a call takes of the limits that all calls of it have."""
        if not self.template.limits:
            return ()
        return uses_of(self.task, self.template.queue, args, kwargs, self.limit)

    def cast(self, args: Any, kwargs: Any) -> NewJob:
        """Make the message of one call."""
        if self.task.typing:
            self.task.__header__(*args, **kwargs)
        if self.task.typed_arguments:
            args, kwargs = self.task.argument_annotations.to_send(args, kwargs)
        job_id = new_id()
        root_id = job_id if self.is_root else self.template.root_id
        own = {
            "root_id": root_id,
            **self._shown(args, kwargs),
        }
        body = (args, kwargs, self.embed)
        _, _, data = serialization.dumps(body, serializer=self.task.serializer)
        job = replace(
            self.template,
            id=job_id,
            headers=self.opening + json.dumps(own)[1:],
            body=data.encode() if isinstance(data, str) else data,
            root_id=root_id,
            limits=self.limits(args, kwargs),
        )
        if self.encrypts:
            job.body, job.content_encoding = vault.encrypt(job.body, self.plain_encoding)
        if self.unique is not None and job.unique is not None:
            job.unique = self.unique.request(job, args, kwargs, awaited=job.unique.awaited)
        return job

    def _shown(self, args: Any, kwargs: Any) -> dict[str, str]:
        if self.encrypts:
            return {"argsrepr": vault.SHOWN, "kwargsrepr": vault.SHOWN}
        named = self.redaction.text(saferepr(kwargs, self.longest[1])) if kwargs else "{}"
        return {"argsrepr": self._args_repr(args) if args else repr(args), "kwargsrepr": named}

    def _args_repr(self, args: Any) -> str:
        longest = self.longest[0]
        return self.redaction.text(
            self.redaction.args_repr(args, longest) or saferepr(args, longest)
        )


def _arguments(call: Any) -> tuple[Any, Any]:
    if isinstance(call, Mapping):
        return (), dict(call)
    if isinstance(call, tuple | list):
        if len(call) == 2 and isinstance(call[0], tuple | list) and isinstance(call[1], Mapping):
            return call[0], call[1]
        return call, {}
    raise TypeError(
        f"apply_many() got {call!r} as a call: give a tuple or list of positional arguments, a dict of keyword "
        "arguments, or a pair (args, kwargs). A single argument is written (value,)."
    )
