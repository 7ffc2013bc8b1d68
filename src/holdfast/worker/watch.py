"""The watch over this worker's own consumer: sends canaries, judges, and does something about a stall; one thread.

It asks no database, and waits for nobody but the broker, for a bounded time: whatever hangs, it goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from celery import bootsteps, signals
from celery.worker import state

from holdfast import events
from holdfast.broker.canary import Canary
from holdfast.broker.publisher import Unavailable
from holdfast.broker.transport import Channel
from holdfast.conf import get_settings
from holdfast.upkeep.alive import AliveFile, tell_systemd
from holdfast.worker.consumer import on_ledger
from holdfast.worker.current import current_intake
from holdfast.worker.evidence import Evidence
from holdfast.worker.leaving import EXIT_STALLED, leave_at_once, leave_in_order, leave_in_time
from holdfast.worker.stalls import CANARY, LOOP, Facts, Stalls

logger = logging.getLogger("holdfast.worker")
PASS_SECONDS = 1.0
TOUCH_SECONDS = 5.0
# A loop that was asked so long ago gives no sign of life.
TURN_SECONDS = 10.0


class ConsumerWatch(bootsteps.StartStopStep):
    """Watches from the first connection on until the worker begins to stop."""

    requires = ("holdfast.worker.lifeline:Lifeline",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        parent.watch = self
        # Celery makes the consumer last of all.
        parent.consumer_cls = on_ledger(parent.consumer_cls)
        settings = get_settings()
        self._parent = parent
        self._intake = current_intake(parent.app)
        self._condition = parent.lifeline.condition
        self._canary = Canary(parent.app.outbox.publisher)
        self._stalls = Stalls(patience=settings.stall_seconds)
        self._evidence = Evidence(self._canary, parent.app.outbox.publisher)
        self._alive = AliveFile(settings.alive_file, name=parent.hostname)
        self._ready = AliveFile(settings.ready_file, name=parent.hostname, setting="ready_file")
        self._consumer: Any = None
        self._loop_asked_at: float | None = None
        self._turned_at = 0.0
        self._broker = True
        self._sends = settings.canary_seconds > 0
        self._next_canary = self._next_touch = 0.0
        self._closing = self._was_ready = False
        self._stop_seconds = settings.stop_seconds
        self._leaves_at: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-canary", daemon=True)

    def start(self, parent: Any) -> None:
        """Begin to show signs of life; there is no consumer to watch yet."""
        # Told at once also where a body holds the event loop, which would close us only afterwards.
        signals.worker_shutting_down.connect(self._bound_the_stop, dispatch_uid="holdfast.watch")
        self._thread.start()

    def bind(self, consumer: Any) -> None:
        """Watch this consumer; called in its thread, again after every reconnect."""
        self._evidence.here()
        # What the last connection was asked may have been lost with it.
        self._loop_asked_at = None
        channel = consumer.task_consumer.channel
        if isinstance(channel, Channel):
            channel.canary = self._canary
        if self._consumer is None:
            tell_systemd("READY=1")
        self._consumer = consumer

    def close(self, parent: Any) -> None:
        """The worker begins to stop: it takes nothing more, and that is right."""
        self._bound_the_stop()
        self._closing = True
        self._ready.remove()
        tell_systemd("STOPPING=1")

    def _bound_the_stop(self, **_: Any) -> None:
        """Jobs that run have so long from now on; called in a signal's handler, too, so it only notes when."""
        if self._stop_seconds and self._leaves_at is None:
            self._leaves_at = time.monotonic() + self._stop_seconds

    def stop(self, parent: Any) -> None:
        """Go on showing that it is alive: the pool is still finishing its jobs."""

    def terminate(self, parent: Any) -> None:
        """The same."""

    def end(self) -> None:
        """The worker has stopped."""
        self._ended.set()
        self._alive.remove()
        self._ready.remove()

    # -- the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended.wait(PASS_SECONDS):
            try:
                self.one_pass()
            except Exception:
                logger.exception("The watch over the consumer failed; it looks again")

    def one_pass(self) -> None:
        """Ask for signs of life, judge them, and act."""
        now = time.monotonic()
        if self._leaves_at is not None and now >= self._leaves_at:
            self._leaves_at = None
            self._leave_in_time()
        stood = self._stalls.gap(now)
        if stood:
            logger.info("This process stood still for %.0f s: its consumer is judged anew", stood)
        if self._consumer is not None and not self._closing:
            if now >= self._next_canary:
                self._next_canary = now + (get_settings().canary_seconds or PASS_SECONDS)
                self._ask(now)
            facts = self._facts()
            cause = self._stalls.cause(facts, now)
            if cause:
                self._act(cause, facts, now)
            elif self._condition.stalled_since is not None and self._is_well(facts):
                self._recover(now)
        lives = self._lives(now)
        ready = lives and self._consumes()
        if now >= self._next_touch or ready is not self._was_ready:
            self._show_ready(ready=ready)
            if lives:
                self._next_touch = now + TOUCH_SECONDS
                self._show()

    def _leave_in_time(self) -> None:
        logger.warning(
            "Worker %s has waited %.0f s for its jobs since it was told to stop: what still runs is given back",
            self._parent.hostname,
            self._stop_seconds,
        )
        leave_in_time(self._parent)

    def _ask(self, now: float) -> None:
        if self._loop_asked_at is None:
            self._loop_asked_at = now
            # In Celery's own queue of calls, which every event loop works off.
            self._consumer.call_soon(self._loop_turned)
        if not self._sends:
            return
        try:
            self._sends = self._canary.send(kept_seconds=3 * get_settings().canary_seconds)
            self._broker = True
        except Unavailable as error:
            logger.debug("No canary was sent: %s", error)
            self._broker = False

    def _loop_turned(self) -> None:
        self._loop_asked_at = None
        self._turned_at = time.monotonic()

    def _facts(self) -> Facts:
        consumer = self._consumer
        heard = self._canary.last_heard
        if heard is not None:
            self._condition.heard_at = heard.at
        channel = self._channel()
        connected = consumer.connection is not None
        return Facts(
            judged=self._intake.open and not self._runs_in_loop(),
            connected=connected,
            broker=self._broker or not self._sends,
            apart=self._sends and not connected,
            fetches=channel is not None and channel.qos.can_consume(),
            loop_asked_at=self._loop_asked_at,
            canary_out_since=self._canary.out_since,
            heard=heard,
            serves=self._serves(),
        )

    def _channel(self) -> Channel | None:
        channel = getattr(self._consumer.task_consumer, "channel", None)
        return channel if isinstance(channel, Channel) else None

    def _serves(self) -> frozenset[str]:
        """Return the queues whose tickets it should fetch; what has many receivers comes by another way."""
        return frozenset(
            queue.name
            for queue in list(self._parent.app.amqp.queues.consume_from.values())
            if queue.exchange is None or queue.exchange.type != "fanout"
        )

    def _runs_in_loop(self) -> bool:
        """Tell whether a body holds the event loop, as it does in Celery's solo pool."""
        return "solo" in type(self._parent.pool).__module__ and bool(state.active_requests)

    # -- what follows -----------------------------------------------------------------------------

    def _act(self, cause: str, facts: Facts, now: float) -> None:
        """Start the consumer anew; if that was done already, leave."""
        self._stalls.clear()
        if not self._sends and not self._parent.app.outbox.publisher.is_reachable():
            # No canary told that the broker is away.
            return
        evidence = self._evidence.of(self._consumer, facts)
        name = self._parent.hostname
        if self._condition.stalled_since is None:
            self._condition.stalled_since = now
            self._parent.lifeline.tell()
            logger.error(
                "Worker %s is stalled: %s. Its consumer is started anew.\n%s",
                name, cause, evidence,
            )  # fmt: skip
            self._tell_stalled(cause, evidence)
            self._start_anew(cause)
        elif cause == CANARY and facts.heard is None:
            # Whatever keeps them away has always done so: a reason to say so, and none to end again and again.
            logger.error(
                "Worker %s has never heard a canary, also on a new connection: no more are sent. Do broker_read_url "
                "and broker_write_url name the same broker?\n%s",
                name, evidence,
            )  # fmt: skip
            self._sends = False
            self._canary.forget()
            self._condition.stalled_since = None
        else:
            logger.critical(
                "Worker %s is stalled still: %s. This process ends with code %d.\n%s",
                name, cause, EXIT_STALLED, evidence,
            )  # fmt: skip
            if cause == LOOP or not leave_in_order(self._ended):
                leave_at_once(self._parent)

    def _start_anew(self, cause: str) -> None:
        self._consumer.connect_anew(cause)
        channel = self._channel()
        if cause == LOOP and channel is not None:
            # Whoever waits for an answer that does not come sees the end of the connection.
            channel.cut()

    def _tell_stalled(self, cause: str, evidence: str) -> None:
        events.worker_stalled.send(
            sender=type(self),
            worker=self._intake.worker,
            name=self._parent.hostname,
            cause=cause,
            seconds=get_settings().stall_seconds,
            evidence=evidence,
        )

    def _is_well(self, facts: Facts) -> bool:
        """Tell whether what was missed has come since: a canary by a fetch from all queues, or a turn of the loop."""
        if not facts.connected:
            return False
        heard = facts.heard
        since = self._condition.stalled_since
        if not self._sends:
            return self._turned_at > since
        return heard is not None and heard.at > since and facts.serves <= heard.queues

    def _recover(self, now: float) -> None:
        seconds = now - self._condition.stalled_since
        self._condition.stalled_since = None
        self._parent.lifeline.tell()
        logger.warning(
            "Worker %s takes messages again, %.0f s after it was found stalled",
            self._parent.hostname,
            seconds,
        )
        events.worker_recovered.send(
            sender=type(self),
            worker=self._intake.worker,
            name=self._parent.hostname,
            seconds=seconds,
        )

    # -- signs of life ----------------------------------------------------------------------------

    def _lives(self, now: float) -> bool:
        """Tell whether the loop turns, or need not, and the database was asked; what is away is no fault of ours."""
        database = now - self._condition.asked_database_at < get_settings().lease_seconds
        return database and self._loop_lives(now) and self._condition.stalled_since is None

    def _loop_lives(self, now: float) -> bool:
        consumer = self._consumer
        if consumer is None or self._closing or consumer.connection is None or self._runs_in_loop():
            return True
        return self._loop_asked_at is None or now - self._loop_asked_at < TURN_SECONDS

    def _consumes(self) -> bool:
        """Tell whether it takes jobs: a canary has come, and it is connected still."""
        heard = self._condition.heard_at is not None or not self._sends
        connected = self._consumer is not None and self._consumer.connection is not None
        return heard and connected and not self._closing

    def _show_ready(self, *, ready: bool) -> None:
        """Let the file that says so come and go."""
        self._was_ready = ready
        if ready:
            self._ready.touch({"worker": self._parent.hostname})
        else:
            self._ready.take_away()

    def _show(self) -> None:
        self._alive.touch(
            {
                "worker": self._parent.hostname,
                "consuming": "yes" if self._consumes() else "no",
                "database": "yes" if self._condition.database_reached else "no",
            }
        )
        tell_systemd("WATCHDOG=1")
