"""The consumer's part: the gate goes onto the transport's channel, and a reconnect drops no claimed job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from celery.utils.imports import symbol_by_name
from celery.worker import state
from celery.worker.consumer.consumer import Consumer

from holdfast.broker.messages import ticket_of
from holdfast.broker.transport import Channel
from holdfast.exceptions import ConfigurationError
from holdfast.policies.limits import limit_of_rate
from holdfast.tickets import HEADER
from holdfast.worker.current import current_intake
from holdfast.worker.intake import Intake
from holdfast.worker.processes import entering, hear_again_of_the_dead, is_dropped, kept

logger = logging.getLogger("holdfast.worker")
TURN_SECONDS = 0.02
# Longest wait of a worker that stops for a pool process to begin what is on its way into it.
BEGIN_SECONDS = 10.0


class Stalled(ConnectionError):
    """The connection does not bring what it should: Celery is to connect anew."""


class LedgerConsumer(Consumer):
    """Celery's consumer; `holdfast.Celery` chooses it by `worker_consumer`, or sets it behind the project's choice."""

    leave: Callable[[], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.hub:
            stock: Callable[..., Any] = self.loop  # type: ignore[has-type]  # untyped in celery
            self.loop = _in_turns(stock)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Let only what the guard admits come to a task, and no message end the worker."""
        receive = super().create_task_handler(*args, **kwargs)
        guard = current_intake(self.app).guard
        passing = (*self.connection_errors, *self.channel_errors, MemoryError)

        def on_task_received(message: Any) -> None:
            if not isinstance(message.channel, Channel) and not guard.admits_of_kombu(message):
                message.ack_log_error(logger, passing)
                return
            if isinstance(message.headers, dict) and ticket_of(message.headers) is None:
                # It says whose attempt a request is: only a claim may say that.
                message.headers.pop(HEADER, None)
            try:
                receive(message)
            except passing:
                raise
            except Exception:
                logger.exception("Dropped a message that Celery cannot take apart")
                message.reject_log_error(logger, passing)

        return on_task_received

    def _limit_task(self, request: Any, bucket: Any, tokens: int) -> Any:
        """Run a job at once for which the ledger has kept its task's `rate_limit` before it came here."""
        held = current_intake(self.app).held.get(request.id)
        if held is None or limit_of_rate(request.name) not in held.limits:
            return super()._limit_task(request, bucket, tokens)
        state.task_reserved(request)
        return self.on_task_request(request)

    def close(self) -> None:
        """Let begin what is on its way into a pool process; Celery calls this first of all when it stops.

        Its event loop does not turn after that: a process that has been given half a job waits for the rest for ever.
        """
        current_intake(self.app).close()
        if self.hub is None or "prefork" not in type(self.pool).__module__:
            return
        try:
            self._let_begin(until=time.monotonic() + BEGIN_SECONDS)
        except Exception:
            # Such as a broker that is gone: the stop goes on without this.
            logger.warning("Stopping before all jobs on their way have begun", exc_info=True)

    def _let_begin(self, *, until: float) -> None:
        on_their_way = entering()
        if on_their_way:
            logger.debug("Waiting for %d jobs that are on their way to begin", len(on_their_way))
        loop = self.hub.create_loop()
        while on_their_way and not state.should_terminate and time.monotonic() < until:
            try:
                next(loop)
            except StopIteration:
                loop = self.hub.create_loop()
            on_their_way = entering()

    def connect_anew(self, cause: str) -> None:
        """Have the event loop end as if the connection had broken, and everything on it be made again.

        From any thread; it happens when the loop turns next, unless the connection is another one by then.
        """
        stalled = self.connection

        def leave() -> None:
            if self.hub:
                self.hub.on_tick.discard(leave)
            self.leave = None
            if stalled is not None and self.connection is stalled:
                raise Stalled(cause)

        if self.hub:
            # By a tick: an error in a callback would drop all callbacks that were called for with it.
            self.hub.call_soon(lambda: self.hub.on_tick.add(leave))
        else:
            self.leave = leave

    def on_close(self) -> None:
        """Let Celery drop what it had reserved on the broken connection, but nothing that may run here all the same."""
        with kept(self.pool):
            super().on_close()
        now = time.monotonic()
        for held in list(current_intake(self.app).held.values()):
            if held.delivered and is_dropped(held.request):
                held.doubtful_since = now


def on_ledger(chosen: Any) -> type[LedgerConsumer]:
    """Return the consumer that the settings choose, with ours behind it where it is another's.

    What it overrides must call `super()`: an override that does not leaves out what Holdfast does there.

    Raises:
        ConfigurationError: it is no consumer of Celery's.
    """
    cls = symbol_by_name(chosen)
    if not (isinstance(cls, type) and issubclass(cls, Consumer)):
        raise ConfigurationError(
            f"CELERY_WORKER_CONSUMER is {chosen!r}, which is no celery.worker.consumer.Consumer: derive it from "
            "holdfast.worker.consumer.LedgerConsumer, or remove the setting"
        )
    if issubclass(cls, LedgerConsumer):
        return cls
    return type(cls.__name__, (cls, LedgerConsumer), {"__module__": cls.__module__})


def _in_turns(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Let the loop of gevent and other pools without a hub look for room again soon.

    It waits two seconds for a message, and would wait them out though a job has ended meanwhile.
    """

    def run(consumer: Any, connection: Any, *rest: Any, **options: Any) -> Any:
        intake = current_intake(consumer.app)
        return loop(consumer, _ShortWaits(connection, intake, consumer), *rest, **options)

    return run


class _ShortWaits:
    """A connection whose wait for messages is short while the intake takes none."""

    def __init__(self, connection: Any, intake: Intake, consumer: LedgerConsumer) -> None:
        self._connection = connection
        self._intake = intake
        self._consumer = consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def drain_events(self, timeout: float | None = None, **options: Any) -> Any:
        """Wait for messages, in a short turn unless more of them would be taken.

        Raises:
            Stalled: somebody asked to connect anew.
        """
        if self._consumer.leave is not None:
            self._consumer.leave()
        if not self._intake.wants():
            timeout = TURN_SECONDS
        return self._connection.drain_events(timeout=timeout, **options)


class GateStep(bootsteps.StartStopStep):
    """Opens the intake for each new connection, and ends it when the worker has stopped for good."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Put the gate onto the channel the tasks come from."""
        hear_again_of_the_dead(parent.pool)
        intake = current_intake(parent.app)
        parent.task_consumer.channel.gate = intake
        intake.bind(parent)
        parent.controller.watch.bind(parent)

    def shutdown(self, parent: Any) -> None:
        """The pool has stopped: what is still held was not finished, so hand it back and retire."""
        lifeline = getattr(parent.controller, "lifeline", None)
        if lifeline is not None:
            lifeline.retire()
            parent.controller.watch.end()
