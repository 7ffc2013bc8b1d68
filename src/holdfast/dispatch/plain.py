"""The short way of a plain call: its message is a copy of an earlier one of the same task, made without Celery's help.

The first call of a task goes all of Celery's way, and what came out is kept as the mould of those that follow. It
stands while nothing it depends on has changed: the code on the way, the settings, the task's own options. A call that
somebody wants to see on its way (a signal's receiver, a router of the project's own, a method put in a method's
place), or that is more than a task, its arguments and where to send it, goes all of Celery's way each time.

Runs in every process that sends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import celery.app.amqp
import celery.app.base
import celery.app.task
from celery import Task as StockTask
from celery import signals
from celery.app.amqp import AMQP
from celery.app.base import Celery as StockCelery
from celery.app.routes import MapRoute
from django.core.signals import setting_changed

from holdfast import vault
from holdfast.dispatch import carrying
from holdfast.dispatch.moulds import Mould
from holdfast.dispatch.unique_calls import UniqueCall
from holdfast.ledger.records import NewJob
from holdfast.lineage import is_awaited, is_bare
from holdfast.policies.limits import Limit, limits_of, uses_of

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

# Options of a call that are the same for all calls that have them.
SIMPLE = frozenset({"queue", "priority", "ignore_result", "serializer", "durable"})
MOST = 1000
_PLAIN_KINDS = (str, int, bool, type(None))
# What a task says of its calls. Celery itself reads its other options once.
_said_of = attrgetter(
    "_exec_options",
    "ignore_result",
    "durable",
    "encrypt",
    "unique",
    "stated_limits",
    "rate_limit",
    "redact",
    "keep",
    "keep_last",
    "shadow_name.__func__",
)
_generation = 0


class Plan(NamedTuple):
    """How the calls of a task with the same options leave."""

    stands: tuple[Any, ...]
    """What it rests on."""
    mould: Mould | None
    """None: all of Celery's way."""
    ignored: bool
    inherits_priority: bool
    limits: tuple[Limit, ...] = ()
    is_unique: bool = False


def send(task: LedgerTask, args: Any, kwargs: Any, options: Mapping[str, Any]) -> Any:
    """Send a call the short way and return its result handle; None if it is none that can go there."""
    if "producer" in options:
        # It would be asked for a connection that a row does not need.
        options = {name: value for name, value in options.items() if name != "producer"}
    if options and not (options.keys() <= SIMPLE and _are_plain(options)):
        return None
    if (
        signals.before_task_publish.receivers
        or signals.after_task_publish.receivers
        or not is_bare()
        or not isinstance(args or (), tuple | list)
        or type(kwargs or {}) is not dict
    ):
        return None
    app = task.app
    key = (task.name, *options.items()) if options else task.name
    plan, stands = app.plans.get(key), _rests_on(task)
    if plan is None or plan.stands != stands:
        return _first(task, args, kwargs, options, key)
    if plan.mould is None:
        return None
    current = app.current_worker_task
    if current is not None and plan.inherits_priority:
        return None
    args, kwargs = plan.mould.checked(args or (), kwargs or {})
    span, carried = carrying.begin(task.name, plan.mould.template.queue)
    try:
        result = _send_copy(task, plan, current, args, kwargs, carried)
    finally:
        if span is not None:
            span.end()
    result.ignored = plan.ignored
    if current is not None:
        current.add_trail(result)
    return result


def _send_copy(
    task: LedgerTask, plan: Plan, current: Any, args: Any, kwargs: Any, carried: Mapping[str, str]
) -> Any:
    """Send a copy of the plan's message with arguments that are checked; `current` is the task whose body sends."""
    assert plan.mould is not None
    if current is None:
        job = plan.mould.cast(args, kwargs, carried=carried)
    else:
        request = current.request
        root = request.root_id or request.id
        job = plan.mould.cast(args, kwargs, root_id=root, parent_id=request.id, carried=carried)
    if plan.limits or plan.is_unique:
        return _send_own(task, plan, job, args, kwargs)
    task.app.outbox.add_fresh(job)
    return task.AsyncResult(job.id)


def _send_own(task: LedgerTask, plan: Plan, job: NewJob, args: Any, kwargs: Any) -> Any:
    """Send a job with what it has of its own in the ledger: a key, what it takes of its limits."""
    job.limits = uses_of(plan.limits, task.run, args, kwargs)
    job.unique = None
    call = UniqueCall.of(task.name, task, {}) if plan.is_unique else None
    if call is not None:
        job.unique = call.request(job, args, kwargs, awaited=is_awaited())
    task.app.outbox.add(job)
    result = task.AsyncResult(job.id)
    return result if call is None else call.show(result)


def _first(task: LedgerTask, args: Any, kwargs: Any, options: Mapping[str, Any], key: Any) -> Any:
    """Send the first call of its kind as Celery does, and remember what came out."""
    app = task.app
    if len(app.plans) >= MOST:
        app.plans.clear()
    if not _can_be_plain(task, options):
        app.plans[key] = Plan(_rests_on(task), None, ignored=False, inherits_priority=False)
        return None
    with app.outbox.capture() as captured:
        result = StockTask.apply_async(task, args, kwargs, **options)
    mould, is_unique = None, False
    limits: tuple[Limit, ...] = ()
    if len(captured) == 1 and _is_plain(captured[0]):
        (job,) = captured
        mould = Mould(job, task, without=carrying.fields())
        is_unique = job.unique is not None
        limits = limits_of(task, job.queue) if job.limits else ()
    app.plans[key] = Plan(
        _rests_on(task),
        mould,
        ignored=result.ignored,
        inherits_priority=bool(app.conf.task_inherit_parent_priority),
        limits=limits,
        is_unique=is_unique,
    )
    for job in captured:
        app.outbox.add(job)
    return result


def _rests_on(task: LedgerTask) -> tuple[Any, ...]:
    """Return what a plan depends on; two that are equal make the same message."""
    app = task.app
    conf = app.conf
    return (
        _generation,
        conf,
        dict(conf.changes),
        app.amqp.router,
        _said_of(task),
        StockTask.apply_async,
        StockCelery.send_task,
        AMQP.as_task_v2,
        type(app).send_task,
    )


def _can_be_plain(task: LedgerTask, options: Mapping[str, Any]) -> bool:
    """Tell whether all calls of a task with these options come out the same but for their arguments."""
    from holdfast.dispatch import app as ours
    from holdfast.dispatch.recording import LedgerAMQP

    app = task.app
    return (
        _is_written_in(celery.app.task, StockTask.apply_async)
        and _is_written_in(celery.app.base, StockCelery.send_task)
        and _is_written_in(celery.app.amqp, AMQP.as_task_v2)
        and _is_written_in(ours, type(app).send_task)
        and not vars(app).keys() & {"send_task", "producer_or_acquire"}
        and type(app).producer_or_acquire is ours.Celery.producer_or_acquire
        and type(app.amqp) is LedgerAMQP
        and not vars(app.amqp).keys() & {"as_task_v2", "send_task_message"}
        and type(task).shadow_name is StockTask.shadow_name
        and app._tasks.get(task.name) is task
        and hasattr(task, "__header__")
        and task.durable is not False
        and options.get("durable") is not False
        and not task.encrypt
        and not app.conf.task_always_eager
        and not app.conf.task_send_sent_event
        and app.conf.task_protocol == 2
        and all(isinstance(route, MapRoute) for route in app.amqp.routes)
    )


def _is_plain(job: NewJob) -> bool:
    """Tell whether a job has nothing that few jobs have but a key and limits, and waits for no time."""
    return (
        replace(job, unique=None, limits=()).is_like_others
        and job.batch_id is None
        and not job.kept_apart
        and not vault.is_encrypted(job.content_encoding)
    )


def _is_written_in(module: Any, function: Any) -> bool:
    """Tell whether a method is still its module's own: who traces calls puts a function of his in its place."""
    return getattr(function, "__code__", None) is not None and (
        function.__code__.co_filename == module.__file__
    )


def _are_plain(options: Mapping[str, Any]) -> bool:
    return all(type(value) in _PLAIN_KINDS for value in options.values())


def _forget(**_: Any) -> None:
    global _generation  # noqa: PLW0603  # all plans of the process fall together
    _generation += 1


setting_changed.connect(_forget, dispatch_uid="holdfast.dispatch.plain")
# Messages name the process that sends them.
os.register_at_fork(after_in_child=_forget)
