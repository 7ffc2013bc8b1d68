"""The class every task of a Holdfast app gets: Celery's own, with the ledger under dispatch and under the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import cache, cached_property, partial, wraps
from importlib.util import find_spec
from inspect import iscoroutinefunction, unwrap
from typing import TYPE_CHECKING, Any, NoReturn

from asgiref.sync import sync_to_async
from celery import Celery, Signature, Task
from celery.exceptions import Ignore, Reject, Retry
from celery.result import AsyncResult

from holdfast.dispatch import retrying
from holdfast.dispatch.bodies import NOT_ATOMIC, finished
from holdfast.dispatch.inside import Inside
from holdfast.exceptions import AttemptLost, ConfigurationError
from holdfast.ledger.connections.aside import in_event_loop, in_thread
from holdfast.ledger.database import atomic
from holdfast.ledger.holds import hold_from
from holdfast.lineage import inheriting
from holdfast.policies.limits import Limit, as_limits, check_parameter
from holdfast.policies.retention import keep
from holdfast.policies.retry_rules import Rule
from holdfast.policies.snooze import Snooze
from holdfast.policies.unique import Unique, as_unique

if TYPE_CHECKING:
    from holdfast.dispatch.typed import Annotations
    from holdfast.ledger.records import Hold


class LedgerTask(Inside):
    """Base class of durable tasks.

    Options beyond Celery's:
        durable: False makes every call of the task plain Celery; None follows HOLDFAST['durable'].
        atomic: True runs the body and its end in one transaction of the ledger's database: its effects
            there happen exactly once, whatever dies.
        unique: a holdfast.Unique makes calls with the same key one job.
        encrypt: True keeps what its jobs are called with and return encrypted in the ledger, under
            HOLDFAST['encryption_keys']. `apply_async(..., encrypt=True)` says it for one call.
        redact: names of parameters, or of keys at any depth, whose values are hidden in logs, events, the command and
            the admin, beside those of HOLDFAST['redact'] and of Django's error reports; regular expressions.
        typed_arguments: True holds arguments to the body's annotations: checked in the caller, before anything is
            recorded, and made into what they say (pydantic models, dates, ...) where the body runs. Needs pydantic.
        keep: how long finished jobs of the task are kept, a timedelta or seconds; None as long as results are.
        keep_last: how many finished jobs of the task are kept at most, the newest. Both are not about dead letters.
        retry_rules: which errors are retried, how often and when: a list of `holdfast.Rule` and `holdfast.Never`, the
            first that matches decides. `apply_async(..., retry_rules=[...])` replaces it for one call.
        limit: a `holdfast.Limit` or a list of them: what does not fit waits in the ledger.
    """

    abstract = True
    durable: bool | None = None
    atomic = False
    typed_arguments = False
    encrypt = False
    redact: Sequence[str] = ()
    unique: Unique | None = None
    keep: timedelta | float | None = None
    keep_last: int | None = None
    retry_rules: Sequence[Rule] = ()
    # The body where `run` is a function around a coroutine.
    coroutine_run: Callable[..., Any] | None = None
    limit: Limit | Sequence[Limit] | None = None
    stated_limits: tuple[Limit, ...] = ()
    Strategy = "holdfast.worker.strategy:choose"
    Request = "holdfast.worker.request:LedgerRequest"

    @classmethod
    def on_bound(cls, app: Celery) -> None:
        """Refuse a class whose `__call__` would run the body around the ledger."""
        super().on_bound(app)
        own = unwrap(cls.__call__)
        if cls.durable is not False and own is not LedgerTask.__call__ and not _calls_super(own):
            raise ConfigurationError(
                f"Task {cls.name!r}: {cls.__qualname__}.__call__ never calls super().__call__(), so the end of its "
                "jobs would not be recorded with what they send on. Call super().__call__(*args, **kwargs) in it, "
                "or set durable=False on the task."
            )
        if cls.typed_arguments and find_spec("pydantic") is None:
            raise ConfigurationError(
                f"Task {cls.name!r} has typed_arguments=True, and pydantic is not installed: "
                "pip install 'holdfast[typed]'."
            )
        if cls.encrypt and cls.durable is False:
            raise ConfigurationError(
                f"Task {cls.name!r} has encrypt=True and durable=False: only what is in the ledger can be encrypted. "
                "Take one of them off."
            )
        if cls.encrypt and find_spec("cryptography") is None:
            raise ConfigurationError(
                f"Task {cls.name!r} has encrypt=True, and cryptography is not installed: "
                "pip install 'holdfast[encryption]'."
            )
        keep(cls.keep, cls.keep_last, where=f"Task {cls.name!r}")
        retrying.check_task(cls)
        _check_unique(cls)
        if cls.atomic is True and (cls.coroutine_run or iscoroutinefunction(cls.run)):
            raise ConfigurationError(NOT_ATOMIC.format(cls.name))
        cls.stated_limits = as_limits(cls.limit, whose=f"Task {cls.name!r}")
        for limit in cls.stated_limits:
            check_parameter(limit, cls.run, task=str(cls.name))
        if cls.stated_limits and cls.durable is False:
            raise ConfigurationError(
                f"Task {cls.name!r} has a limit and durable=False: the ledger, which limits jobs, never hears of "
                "its calls. Remove one of them."
            )
        _end_what_leaves_unseen(cls)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task: as a claimed attempt inside a worker, as a plain function anywhere else."""
        request = self.request
        if request.called_directly:
            args, kwargs = self.arguments_to_run(args, kwargs)
            if self.coroutine_run is not None:
                return self.coroutine_run(*args, **kwargs)
            return super().__call__(*args, **kwargs)
        request.holdfast_run = True
        return _run_attempt()(self, request, args, kwargs)

    def arguments_to_run(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return the arguments as the body wants them: as they came, unless `typed_arguments` is set.

        Raises:
            InvalidArguments: an argument does not fit its annotation.
        """
        return (
            self.argument_annotations.to_run(args, kwargs)
            if self.typed_arguments
            else (args, kwargs)
        )

    @cached_property
    def argument_annotations(self) -> Annotations:
        """What the body's annotations say; read when first asked for, when all modules are there."""
        from holdfast.dispatch.typed import Annotations

        return Annotations(self)

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Send as Celery does; the arguments of a task with `typed_arguments` are checked first.

        Raises:
            InvalidArguments: an argument does not fit its annotation; nothing is recorded.
        """
        if self.typed_arguments:
            args, kwargs = self.argument_annotations.to_send(args, kwargs)
        if not rest:
            # It needs the ledger's models, which task classes come before.
            from holdfast.dispatch import plain

            sent = plain.send(self, args, kwargs, options)
            if sent is not None:
                return sent
        return super().apply_async(args, kwargs, *rest, **options)

    def signature(
        self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any
    ) -> Signature[Any]:
        """Sign as Celery does; typed arguments travel as JSON, those given by name are checked now."""
        if self.typed_arguments:
            checked = (
                self.argument_annotations.to_send
                if options.get("immutable")
                else self.argument_annotations.to_sign
            )
            args, kwargs = checked(args, kwargs)
        return super().signature(args, kwargs, *rest, **options)

    subtask = signature

    def apply_many(self, calls: Iterable[Any], **options: Any) -> list[AsyncResult[Any]]:
        """Send many calls in one go: recorded with few statements, published in few round trips.

        Args:
            calls: one item per call: a tuple or list of positional arguments, a dict of keyword
                arguments, or a pair (args, kwargs) of a tuple or list and a dict.
            options: as for `apply_async`, the same for all.

        Inside a transaction it is part of it; otherwise all calls commit together, or none.
        """
        from holdfast.dispatch.bulk import apply_many

        return apply_many(self, calls, options)

    async def adelay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send from async code without holding up its event loop."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Send from async code, with the options of `apply_async`."""
        send = sync_to_async(self.apply_async, thread_sensitive=True)
        return await send(args, kwargs, **options)

    def explain_retry(self, error: Exception) -> str:
        """Say in words what the retry rules make of an error: in a body, those of the call, and what it has used up."""
        return retrying.explain(self, error)

    def snooze(
        self,
        seconds: float | timedelta | None = None,
        *,
        until: datetime | None = None,
        reason: str = "",
    ) -> NoReturn:
        """Leave the body and come back later: see `holdfast.Snooze`, which it raises."""
        raise Snooze(seconds, until=until, reason=reason)

    def runs_async(self, kwargs: Any) -> bool:
        """Tell whether a call with these arguments runs a coroutine; decides where the asyncio pool runs it."""
        return self.coroutine_run is not None or iscoroutinefunction(self.run)

    def let_retries_see_coroutines(self) -> None:
        """Let `autoretry_for`, which is not made for coroutines, see how they end; after Celery has set it up."""
        stock = getattr(self, "_orig_run", None)
        if not iscoroutinefunction(stock):
            return

        @wraps(stock)
        def run_to_end(*args: Any, **kwargs: Any) -> Any:
            return finished(self, stock(*args, **kwargs))

        self.coroutine_run, self._orig_run = stock, run_to_end

    def on_replace(self, sig: Any) -> Any:
        """Put a signature in this job's place: what it sends and this job's move are one transaction."""
        hold = hold_from(self.request)
        if hold is None or self.request.is_eager:
            return super().on_replace(sig)
        if in_event_loop():
            in_thread(partial(copy_context().run, self._replace_by, sig, hold))
        else:
            self._replace_by(sig, hold)
        raise Ignore("Replaced by new task")

    def _replace_by(self, sig: Any, hold: Hold) -> None:
        from holdfast.ledger import transitions

        with atomic(), inheriting(self.request.headers):
            sig.delay()
            if self.request.get("holdfast_move") is None:
                if not transitions.await_replacement(hold):
                    raise AttemptLost(hold.id, hold.token)
                self.request.update(callbacks=None, chain=None, holdfast_ended=True)


@cache
def _run_attempt() -> Callable[..., Any]:
    # Task classes are made while Django is still loading; the ledger's models come later.
    from holdfast.dispatch import attempt

    return attempt.run


def _check_unique(cls: type[LedgerTask]) -> None:
    unique = as_unique(cls.unique, where=f"Task {cls.name!r}")
    if unique is not None and cls.durable is False:
        raise ConfigurationError(
            f"Task {cls.name!r} has unique= and durable=False: no ledger knows its jobs, so nothing can tell whether "
            "one waits. Take one of them off the task."
        )
    if unique is not None:
        unique.check(cls.name, cls.run)


def _end_what_leaves_unseen(cls: type[LedgerTask]) -> None:
    """Let an attempt end by Ignore, Reject or Retry where the ledger's `__call__` does not see it leave.

    That is in `before_start`, which Celery calls first, and in a `__call__` that names Celery's class. Its own end is
    what `on_failure` hears of, and not that of an attempt whose job has moved on.
    """
    if _is_own(cls.before_start, LedgerTask.before_start):
        cls.before_start = _seen(cls.before_start)
    if _is_own(cls.__call__, LedgerTask.__call__):
        cls.__call__ = _seen(_put_back_in_the_end(cls.__call__))  # type: ignore[method-assign]

    if _is_own(cls.on_failure, Task.on_failure):
        cls.on_failure = _while_it_stands(cls.on_failure)


def _while_it_stands(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Call `on_failure` only if the failure is the job's: to clean up after somebody else's attempt would harm it."""

    @wraps(hook)
    def standing(self: LedgerTask, *args: Any, **kwargs: Any) -> Any:
        return None if self.request.get("holdfast_stale") else hook(self, *args, **kwargs)

    standing.holdfast_seen = True  # type: ignore[attr-defined]
    return standing


def _is_own(hook: Any, stock: Any) -> bool:
    return hook is not stock and not hasattr(hook, "holdfast_seen")


def _seen(hook: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(hook)
    def seen(self: LedgerTask, *args: Any, **kwargs: Any) -> Any:
        try:
            return hook(self, *args, **kwargs)
        except (Ignore, Reject, Retry) as leaving:
            if not self.request.get("holdfast_run"):
                from holdfast.dispatch import attempt

                attempt.leave_early(self, leaving)
                self.request.holdfast_run = True
            raise

    seen.holdfast_seen = True  # type: ignore[attr-defined]
    return seen


def _put_back_in_the_end(call: Callable[..., Any]) -> Callable[..., Any]:
    """Let a body that called retry(throw=False) go on to its end, and its job be put back all the same."""

    @wraps(call)
    def put_back(self: LedgerTask, *args: Any, **kwargs: Any) -> Any:
        value = call(self, *args, **kwargs)
        if not self.request.get("holdfast_run") and self.request.get("holdfast_move") is not None:
            raise Retry("put back by retry(throw=False)")
        return value

    return put_back


def _calls_super(method: Any) -> bool:
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None:
        return True
    return (
        "__class__" in code.co_freevars or "super" in code.co_names or "__call__" in code.co_names
    )
