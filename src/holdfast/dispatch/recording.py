"""The one choke point of every way to send: a task message becomes a row of the ledger, or goes on as plain Celery."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from celery import signals
from celery.app.amqp import AMQP, task_message
from kombu import serialization
from kombu.common import Broadcast
from kombu.compression import compress
from kombu.utils.json import dumps

from holdfast import vault
from holdfast.broker.connection import Connection
from holdfast.conf import get_settings
from holdfast.dispatch import carrying
from holdfast.dispatch.protocols import as_protocol_2, id_of, name_of
from holdfast.dispatch.redaction import redaction_of
from holdfast.dispatch.refusing import refuse_plain_member, refuse_plain_secret
from holdfast.dispatch.retrying import rules_to_send
from holdfast.dispatch.unique_calls import UniqueCall
from holdfast.ledger.holds import hold_from, is_secret
from holdfast.ledger.records import NewJob, Use
from holdfast.lineage import batch_to_join, inherited_headers, is_awaited
from holdfast.policies.limits import limits_of, uses_of
from holdfast.policies.retention import Retention
from holdfast.tickets import BATCH, HEADER, LIMITS, RULES

# What the claim knows from the row itself, or what must be decided by the database's clock.
_NOT_STORED = frozenset({HEADER, "id", "task", "eta", "expires", "lang"})
# Celery's own keys with the value that is left out of the stored headers.
_DEFAULTS: dict[str, Any] = {
    "shadow": None,
    "group": None,
    "group_index": None,
    "retries": 0,
    "timelimit": [None, None],
    "parent_id": None,
    "ignore_result": False,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}
# Among what was said of a call, until it is recorded.
ENCRYPT = "encrypt"
# What a message shows of its arguments, and under which name its event does.
_REPR_IN_EVENT = {"argsrepr": "args", "kwargsrepr": "kwargs"}
_REPRS = frozenset(_REPR_IN_EVENT)


class LedgerAMQP(AMQP):
    """Celery's message factory with `send_task_message` leading to the ledger."""

    Connection = Connection

    def as_task_v2(self, task_id: str, name: str, *args: Any, **kwargs: Any) -> task_message:
        """Build the message as Celery does, and keep what was said relative to now.

        Celery turns `countdown` and a number for `expires` into a time by this machine's clock; the ledger
        wants them as they were, to count by the database's clock.

        What logs and events show of the arguments is without their secrets, unless the sender gave words of his own.
        """
        own_words = {part for part in _REPRS if kwargs.get(part) is not None}
        encrypts = self._encrypts(name, task_id, kwargs.get("encrypt"))
        if encrypts:
            # Whatever the sender wants to be seen: it would lie beside the job in the clear.
            kwargs.update(dict.fromkeys(_REPRS, vault.SHOWN))
            own_words = set(_REPRS)
        redaction = redaction_of(self.app._tasks.get(name))
        if "argsrepr" not in own_words:
            call_args = args[0] if args else kwargs.get("args")
            kwargs["argsrepr"] = redaction.args_repr(call_args, self.argsrepr_maxsize)
        message = super().as_task_v2(task_id, name, *args, **kwargs)
        for part in _REPRS - own_words:
            text = message.headers[part]
            shown = redaction.text(text)
            if shown is not text:
                message.headers[part] = shown
                if message.sent_event:
                    message.sent_event[_REPR_IN_EVENT[part]] = shown
        countdown = args[2] if len(args) > 2 else kwargs.get("countdown")
        expires = args[6] if len(args) > 6 else kwargs.get("expires")
        said = {
            key: float(value)
            for key, value in (("countdown", countdown), ("expires_in", expires))
            if isinstance(value, int | float)
        }
        if encrypts:
            said[ENCRYPT] = True
        if said:
            message.headers[HEADER] = said
        return message

    @property
    def send_task_message(self) -> Callable[..., Any]:
        """Record a durable task's message; pass any other on to Celery's own sender."""
        return self._record_or_send

    def _record_or_send(
        self,
        producer: Any,
        name: str,
        message: task_message,
        *,
        exchange: Any = None,
        routing_key: str | None = None,
        queue: Any = None,
        durable: bool | None = None,
        limit: Any = None,
        **options: Any,
    ) -> Any:
        rules = options.pop("retry_rules", None)
        if rules is not None:
            rules = rules_to_send(self.app._tasks.get(name), rules, name)
            options["headers"] = {**(options.get("headers") or {}), RULES: rules}
        target = self._durable_queue(name, durable, exchange, routing_key, queue)
        unique: UniqueCall | None = options.pop("unique", None)
        encrypts = self._is_to_be_encrypted(name, message, options.pop("encrypt", None))
        if target is not None and self._is_running(id_of(message)):
            span, carried = None, carrying.putting_back()
        else:
            span, carried = carrying.begin(name, target or name_of(queue) or routing_key or "")
        try:
            if target is not None:
                self._record(
                    producer,
                    name,
                    message,
                    target,
                    carried,
                    unique,
                    limit,
                    options,
                    encrypts=encrypts,
                )
                return None
            refuse_plain_member(name)
            if unique is not None:
                unique.refuse_plain(name)
            refuse_plain_secret(name, encrypts)
            message.headers.pop(HEADER, None)
            if carried:
                options["headers"] = carrying.added(options.get("headers"), carried)
            return super().send_task_message(
                producer,
                name,
                message,
                exchange=exchange,
                routing_key=routing_key,
                queue=queue,
                **options,
            )
        finally:
            if span is not None:
                span.end()

    def _record(
        self,
        producer: Any,
        name: str,
        message: task_message,
        target: str,
        carried: Mapping[str, str],
        unique: UniqueCall | None,
        limit: Any,
        options: dict[str, Any],
        *,
        encrypts: bool,
    ) -> None:
        headers, properties, body, sent_event = as_protocol_2(message)
        said = headers.pop(HEADER, None) or {}
        self._add_headers(headers, carrying.added(options.pop("headers", None), carried))
        serializer = options.pop("serializer", None) or self.app.conf.task_serializer
        compression = options.pop("compression", None) or self.app.conf.task_compression
        options.pop("retry_policy", None)
        if signals.before_task_publish.receivers:
            signals.before_task_publish.send(
                sender=name,
                body=body,
                exchange="",
                routing_key=target,
                declare=[self.queues[target]],
                headers=headers,
                properties=dict(properties, **options),
                retry_policy=self.app.conf.task_publish_retry_policy,
            )
        job = build_job(
            name,
            headers,
            body,
            queue=target,
            priority=options.get("priority"),
            said=said,
            serializer=serializer,
            compression=compression,
            limits=self._uses(name, target, body, limit),
        )
        if encrypts:
            job.body, job.content_encoding = vault.encrypt(job.body, job.content_encoding)
        job.kept_apart = self._retention.rule(name) is not None
        if self._is_running(job.id):
            # A retry or a replacement of the very job that runs: it moves when the body leaves.
            self.app.current_worker_task.request.update(holdfast_move=job)
        else:
            if unique is not None:
                args, kwargs, embed = body
                awaited = is_awaited() or bool(embed.get("chain") or embed.get("chord"))
                job.unique = unique.request(job, args, kwargs, awaited=awaited)
            self.app.outbox.add(job)
        if signals.after_task_publish.receivers:
            signals.after_task_publish.send(
                sender=name, body=body, headers=headers, exchange="", routing_key=target
            )
        if sent_event:
            self._announce(producer, sent_event, target)

    def _uses(self, name: str, queue: str, body: Any, own: Any) -> tuple[Use, ...]:
        task = self.app._tasks.get(name)
        limits = limits_of(task, queue, own)
        return uses_of(limits, getattr(task, "run", None), body[0], body[1]) if limits else ()

    def _is_to_be_encrypted(self, name: str, message: task_message, said: bool | None) -> bool:
        if "task" in message.headers:
            return ENCRYPT in (message.headers.get(HEADER) or ())
        return self._encrypts(name, id_of(message), said)  # protocol 1

    def _encrypts(self, name: str, job_id: str | None, said: bool | None) -> bool:
        """Tell whether a call is encrypted: as it says, as its task says, and as it was when it is put back."""
        if said is None:
            said = getattr(self.app._tasks.get(name), "encrypt", False)
        if said or not job_id:
            return bool(said)
        current = self.app.current_worker_task
        return current is not None and is_secret(current.request) and self._is_running(job_id)

    @cached_property
    def _retention(self) -> Retention:
        return Retention(self.app._tasks.get)

    def _add_headers(self, headers: dict[str, Any], own: Mapping[str, Any]) -> None:
        headers.update(own)
        for key, value in inherited_headers().items():
            headers.setdefault(key, value)
        batch = batch_to_join()
        if batch is not None and not self._is_running(headers["id"]):
            headers[BATCH] = batch
        # A retry brings the headers of the attempt it comes from, its mark included.
        headers.pop(HEADER, None)
        headers.pop(LIMITS, None)

    def _is_running(self, job_id: str) -> bool:
        """Tell whether this is the job whose body runs here."""
        current = self.app.current_worker_task
        return (
            current is not None
            and current.request.id == job_id
            and hold_from(current.request) is not None
        )

    def _durable_queue(
        self, name: str, durable: bool | None, exchange: Any, routing_key: str | None, queue: Any
    ) -> str | None:
        """Return the queue a durable message goes to; None if this one is not durable."""
        if durable is None:
            task = self.app._tasks.get(name)
            durable = getattr(task, "durable", None)
        if durable is None:
            durable = get_settings().durable
        if not durable:
            return None
        if queue is None:
            if exchange is None:
                return str(self.default_queue.name)
            return self._bound_queue(exchange, routing_key)
        declared = self.queues[queue] if isinstance(queue, str) else queue
        # Broadcast, topic and fanout have many receivers: one row cannot be the truth about all their runs.
        if isinstance(declared, Broadcast) or (
            declared.exchange and declared.exchange.type not in {"direct", None}
        ):
            return None
        return str(declared.name)

    def _bound_queue(self, exchange: Any, routing_key: str | None) -> str | None:
        wanted = getattr(exchange, "name", exchange)
        if wanted == "" and routing_key:
            return routing_key
        bound = [
            queue.name
            for queue in self.queues.values()
            if queue.exchange
            and queue.exchange.name == wanted
            and queue.exchange.type in {"direct", None}
            and queue.routing_key == routing_key
        ]
        return str(bound[0]) if len(bound) == 1 else None

    def _announce(self, producer: Any, sent_event: dict[str, Any], queue: str) -> None:
        sent_event.update(queue=queue, exchange="", routing_key=queue)
        if self.app.outbox.publisher.available:
            self._event_dispatcher.publish("task-sent", sent_event, producer, retry=False)


def build_job(
    name: str,
    headers: dict[str, Any],
    body: Any,
    *,
    queue: str,
    priority: int | None,
    said: Mapping[str, float],
    serializer: str,
    compression: str | None,
    limits: tuple[Use, ...] = (),
) -> NewJob:
    """Turn a task message into a row: clocks stripped, body encoded as it would be on the wire."""
    content_type, content_encoding, data = serialization.dumps(body, serializer=serializer)
    if compression:
        data, headers["compression"] = compress(data, compression)
    embed = body[2]
    if limits:
        headers = headers | {LIMITS: [use.limit for use in limits]}
    countdown, expires_in = said.get("countdown"), said.get("expires_in")
    return NewJob(
        id=headers["id"],
        task=name,
        queue=queue,
        priority=_priority(priority),
        delay_seconds=countdown,
        due_at=_moment(headers.get("eta")) if countdown is None else None,
        expires_in_seconds=expires_in,
        expires_at=_moment(headers.get("expires")) if expires_in is None else None,
        headers=dumps(stored_headers(headers)),
        body=data.encode() if isinstance(data, str) else bytes(data),
        content_type=content_type,
        content_encoding=content_encoding,
        root_id=headers.get("root_id"),
        parent_id=headers.get("parent_id"),
        group_id=headers.get("group"),
        batch_id=headers.get(BATCH),
        ignore_result=bool(headers.get("ignore_result")),
        linked=bool(embed.get("errbacks") or embed.get("chain") or embed.get("chord")),
        limits=limits,
    )


def stored_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be kept of a message's headers beside the row."""
    return {
        key: value
        for key, value in headers.items()
        if key not in _NOT_STORED
        and not (key in _DEFAULTS and (value == _DEFAULTS[key] or value is None))
    }


# What json.loads() does with a text of ours, which has nothing around it; for each job in a worker's event loop.
_scan = json.JSONDecoder().raw_decode


def restored_headers(job_id: str, task: str, stored: str) -> dict[str, Any]:
    """Return the headers of a message as Celery's worker expects them."""
    return {
        **_DEFAULTS,
        "lang": "py",
        "eta": None,
        "expires": None,
        "argsrepr": "",
        "kwargsrepr": "",
        "root_id": job_id,
        **_scan(stored)[0],
        "id": job_id,
        "task": task,
    }


def _priority(priority: int | None) -> int:
    return 0 if priority is None else max(0, min(9, int(priority)))


def _moment(moment: str | datetime | None) -> datetime | None:
    if not moment:
        return None
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment if moment.tzinfo else moment.astimezone()
