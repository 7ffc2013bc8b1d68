"""`holdfast.Celery`: Celery's application class, put together from the parts that keep jobs in the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

import celery
import django
import kombu
from celery import Task
from celery.app.base import Celery as StockCelery
from celery.app.defaults import _TO_OLD_KEY
from celery.contrib.abortable import AbortableTask
from django.apps import apps

from holdfast.dispatch.bodies import runs_to_end
from holdfast.dispatch.producers import LateProducer
from holdfast.dispatch.task import LedgerTask
from holdfast.dispatch.unique_calls import UniqueCall, is_unique
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.ids import new_id

if TYPE_CHECKING:
    from holdfast.dispatch.outbox import Outbox

OLDEST = (5, 7)
# Celery lets the defaults of an app win over the project's settings: these do not.
_YIELDING = {
    # What a project puts in its place is set before it, when a worker starts: `worker.lifeline`.
    "worker_consumer": "holdfast.worker.consumer:LedgerConsumer",
    # Celery's Django fixup closes every connection around every task unless told otherwise.
    "CELERY_DB_REUSE_MAX": 1_000_000,
    # Celery's own would never grow a pool: what waits, waits in the ledger.
    "worker_autoscaler": "holdfast.worker.autoscaler:QueueAutoscaler",
    # A Redis that became a replica refuses instead of breaking off; a worker would end over it.
    "broker_channel_error_retry": True,
}


class Celery(StockCelery):
    """Use it in place of `celery.Celery`; everything else of the project stays as it is."""

    amqp_cls = "holdfast.dispatch.recording:LedgerAMQP"
    task_cls = "holdfast.dispatch.task:LedgerTask"
    backend_cls = "holdfast.results.backend:LedgerBackend"
    control_cls = "holdfast.dispatch.control:LedgerControl"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        require_versions()
        super().__init__(*args, **kwargs)
        self.add_defaults(self._unless_stated)
        self._outbox: Outbox | None = None
        # How plain calls leave, by task and options; see `dispatch.plain`.
        self.plans: dict[Any, Any] = {}
        self.steps["worker"].add("holdfast.worker.lifeline:Lifeline")
        self.steps["worker"].add("holdfast.worker.watch:ConsumerWatch")
        self.steps["consumer"].add("holdfast.worker.consumer:GateStep")

    def _unless_stated(self) -> dict[str, Any]:
        """Return the defaults for what the project's settings say nothing of; once those are loaded."""
        stated = self.conf.without_defaults()
        return {
            key: value
            for key, value in _YIELDING.items()
            if not any(name in stated for name in _names_of(key, self.namespace))
        }

    @property
    def outbox(self) -> Outbox:
        """Where this app's calls leave from."""
        if self._outbox is None:
            # Projects make their app while Django is still loading; the ledger's models come later.
            _set_django_up()
            from holdfast.broker.messages import signing_keys
            from holdfast.broker.publisher import Publisher
            from holdfast.dispatch.outbox import Outbox

            # A project without a secret hears of it at its first call, not of a broker that takes no messages.
            signing_keys()
            self._outbox = Outbox(Publisher(self))
        return self._outbox

    @property
    def control(self) -> Any:
        """Celery's remote control, over the ledger."""
        _set_django_up()
        return super().control

    @property
    def backend(self) -> Any:
        """The ledger as result backend."""
        found = getattr(self._local, "backend", None)
        if found is None:
            _set_django_up()
            found = super().backend
        return found

    @cached_property
    def AsyncResult(self) -> Any:  # noqa: N802  # Celery's name
        """The class of result handles."""
        return self.subclass_with_self(
            "holdfast.dispatch.handles:Handle", name="AsyncResult", reverse="AsyncResult"
        )

    def send_task(
        self, name: str, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any
    ) -> Any:
        """Send by name; the id is minted here so that it sorts by time.

        Beyond Celery's own options a call may have `unique`, a holdfast.Unique or False, and `unique_key`.

        Raises:
            UniqueConflict: another job has the key of a unique call, and the call asks to be told.
        """
        if len(rest) < 3 and options.get("task_id") is None:
            options["task_id"] = new_id()
        task = self._tasks.get(name)
        call = UniqueCall.of(name, task, options) if is_unique(task, options) else None
        if call is None:
            return super().send_task(name, args, kwargs, *rest, **options)
        return call.show(super().send_task(name, args, kwargs, *rest, unique=call, **options))

    def create_task_cls(self) -> type[Task]:
        """Make the class all tasks get that name no base; the project's own `task_cls` is set before ours."""
        cls = _on_ledger(super().create_task_cls())
        assert cls is not None
        return cls

    def _task_from_fun(
        self, fun: Any, *args: Any, base: type[Task] | None = None, **options: Any
    ) -> Any:
        """Make a task of a function; a base class of the project's own is set before ours."""
        if options.get("pydantic") and iscoroutinefunction(fun):
            # Celery's wrapper would take the coroutine for what the body returned.
            options["coroutine_run"] = fun if options.get("bind") else staticmethod(fun)
            fun = runs_to_end(fun)
        task = super()._task_from_fun(fun, *args, base=_on_ledger(base), **options)
        if options.get("pydantic_context"):
            task.pydantic_context = options["pydantic_context"]
        task.let_retries_see_coroutines()
        return task

    def register_task(self, task: Any, **options: Any) -> Any:
        """Register a class-based task, on the ledger like any other."""
        instance = task() if isinstance(task, type) else task
        if not isinstance(instance, LedgerTask):
            instance.__class__ = _on_ledger(type(instance))
        task = super().register_task(instance, **options)
        task.let_retries_see_coroutines()
        return task

    @contextmanager
    def producer_or_acquire(self, producer: Any = None) -> Iterator[Any]:
        """Give out a producer; what is sent inside the outermost block is recorded together at its end."""
        if producer is not None:
            yield producer
            return
        late = LateProducer(super().producer_or_acquire)
        try:
            with self.outbox.batch():
                yield late
        finally:
            late.release()


def _names_of(key: str, namespace: str | None) -> set[str]:
    """Return the names by which a setting of Celery's may be stated."""
    names = {key, _TO_OLD_KEY.get(key, key)}
    return names | ({f"{namespace}_{key}", f"{namespace}_{key}".upper()} if namespace else set())


def _set_django_up() -> None:
    # Celery's commands that ask or send (`celery inspect`, `celery call`) do without Django; the ledger cannot.
    if not apps.models_ready:
        django.setup()


def _on_ledger(base: type[Task] | None) -> type[Task] | None:
    """Return a base class that has the ledger's below it."""
    if base is None or issubclass(base, LedgerTask):
        return base
    body: dict[str, Any] = {"__module__": base.__module__, "abstract": True}
    if getattr(base, "is_aborted", None) is AbortableTask.is_aborted:
        # It would ask for the state of the job, which says nothing of this attempt.
        body["is_aborted"] = LedgerTask.is_aborted
    return type(base.__name__, (base, LedgerTask), body)


def require_versions() -> None:
    """Refuse versions whose workers stop consuming after a reconnect.

    Raises:
        ConfigurationError: naming the version found and the one to install.
    """
    for package, version in (("celery", celery.__version__), ("kombu", kombu.__version__)):
        found = tuple(int(part) for part in version.split(".")[:2])
        if found < OLDEST:
            raise ConfigurationError(
                f"{package} {version} is too old: before 5.7 a worker can stop consuming after a reconnect. "
                "Install celery>=5.7 and kombu>=5.7."
            )
