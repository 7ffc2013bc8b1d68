"""Retries by rules: the error of a body becomes a retry of its job, or leaves as it is; where the body runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from celery import Task
from celery.exceptions import Reject, Retry, TaskPredicate
from django.db import Error

from holdfast.dispatch.bodies import returned
from holdfast.exceptions import AttemptLost, ConfigurationError
from holdfast.interruptions import let_out_interruption
from holdfast.ledger.database import end_half_begun, open_transactions
from holdfast.ledger.holds import hold_from
from holdfast.policies import retry_rules
from holdfast.policies.retry_rules import Decision, Rule
from holdfast.tickets import COUNTED, RULES

if TYPE_CHECKING:
    from holdfast.dispatch.task import LedgerTask

logger = logging.getLogger("holdfast.attempt")


def run_body(task: LedgerTask, request: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run the body; an error that a rule is about becomes a retry.

    Raises:
        Retry: the job is put back when the attempt leaves.
        Exception: what the body raised, if nothing retries it.
    """
    rules = rules_of(task, request)
    if not rules:
        return _left_whole(task, args, kwargs)
    try:
        return _left_whole(task, args, kwargs)
    except (AttemptLost, TaskPredicate):
        raise
    except Exception as error:
        decision = _decide(task, rules, error)
        logger.info("Job %s (%s): %s", task.request.id, task.name, decision.why)
        if decision.retry and decision.rule is not None:
            _put_back(task, error, decision, decision.rule)
        task.request.update(holdfast_last_try=decision.exhausted)
        raise


def _left_whole(task: LedgerTask, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Run the body; a time limit that tears a transaction of its own is what it leaves by, and not what Django says."""
    before = open_transactions()
    try:
        return returned(task, task.run(*args, **kwargs))
    except Error as error:
        let_out_interruption(error)
        raise
    finally:
        end_half_begun(before)


def rules_of(task: LedgerTask, request: Any) -> Sequence[Rule]:
    """Return the rules of the call that runs, or else those of its task."""
    said = request.headers.get(RULES) if request.headers else None
    return task.retry_rules if said is None else retry_rules.of_call(said)


def explain(task: LedgerTask, error: Exception) -> str:
    """Say in words what the rules of a task, or of the call that runs, make of an error."""
    rules = rules_of(task, task.request)
    if not rules:
        return f"{type(error).__name__}: the task {task.name} has no retry rules"
    return _decide(task, rules, error).why


def check_task(cls: type[LedgerTask]) -> None:
    """Refuse rules that cannot be followed, when the task is registered.

    Raises:
        ConfigurationError: with the repair.
    """
    if not cls.retry_rules:
        return
    cls.retry_rules = retry_rules.check(cls.retry_rules, whose=f"Task {cls.name!r}")
    _refuse_both(cls)


def rules_to_send(task: Any, said: Any, name: str) -> list[dict[str, Any]]:
    """Return the rules of a call as they travel with it.

    Raises:
        ConfigurationError: they are no rules, cannot travel, or the task has `autoretry_for`.
    """
    # Out of a signature that was written as JSON they come as they travel.
    if isinstance(said, list) and all(isinstance(item, dict) for item in said):
        said = retry_rules.of_call(said)
    elif task is not None:
        _refuse_both(task)
    return [rule.__json__() for rule in retry_rules.check(said, whose=f"A call of {name!r}")]


def bounded(wait_until: datetime, *, longest: float, now: datetime) -> float:
    """Return the seconds until a moment that somebody else named: never negative, and not more than `longest`."""
    return min(max((wait_until - now).total_seconds(), 0.0), longest)


def _refuse_both(task: Any) -> None:
    if getattr(task, "autoretry_for", ()):
        raise ConfigurationError(
            f"Task {task.name!r} has autoretry_for and retry_rules: each would decide on its own what is retried, and "
            "count on its own. Write autoretry_for=(ConnectionError,) as retry_rules=[Rule(ConnectionError)]."
        )


def _decide(task: LedgerTask, rules: Sequence[Rule], error: Exception) -> Decision:
    return retry_rules.decide(
        rules,
        error,
        counted=(task.request.headers or {}).get(COUNTED) or {},
        retries=task.request.retries or 0,
        max_retries=_max_retries(task),
    )


def _max_retries(task: LedgerTask) -> int | None:
    """Return Celery's limit where somebody has set it: its default of 3 is not meant for rules."""
    for cls in type(task).__mro__:
        if cls is Task:
            return None
        if "max_retries" in vars(cls):
            break
    return task.max_retries


def _put_back(task: LedgerTask, error: Exception, decision: Decision, rule: Rule) -> NoReturn:
    request = task.request
    headers = dict(request.headers or {})
    counted = dict(headers.get(COUNTED) or {})
    headers[COUNTED] = counted | {rule.key: int(counted.get(rule.key, 0)) + 1}
    wait = decision.wait
    when: dict[str, Any]
    if not isinstance(wait, datetime):
        when = {"countdown": wait}
    elif hold_from(request) is not None and not request.is_eager:
        # Bounded when the attempt leaves, by the database's clock.
        when = {"eta": wait}
        request.update(holdfast_longest_wait=decision.longest)
    else:
        longest = timedelta.max.total_seconds() if decision.longest is None else decision.longest
        when = {"countdown": bounded(wait, longest=longest, now=datetime.now(UTC))}
    signature = task.signature_from_request(
        request, retries=(request.retries or 0) + 1, headers=headers, **when
    )
    leaving: Any = Retry(
        exc=error, when=cast("Any", wait), is_eager=request.is_eager, sig=signature
    )
    if leaving.exc is not None and leaving.exc.__traceback__ is None:
        # Celery puts another in the place of an error that cannot be pickled.
        leaving.exc.__traceback__ = error.__traceback__
    if not request.is_eager:
        try:
            signature.apply_async()
        except Exception as refusal:
            raise Reject(refusal, requeue=False) from error
    raise leaving from error
