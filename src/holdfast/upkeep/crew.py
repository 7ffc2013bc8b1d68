"""The loops of one worker, and the duty that lets only one worker's act; every worker rescues.

Who has the duty looks what there is to do, in one statement, and does that alone. The others sleep, without a
connection: each renewal of their lease tells them whether there is something to rescue, or a duty to take.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import Error

from holdfast.conf import get_settings
from holdfast.dispatch.argument_search import examination_of
from holdfast.ledger import duty, publishing, workers
from holdfast.ledger.duty import Work
from holdfast.ledger.records import Beat
from holdfast.policies.limits import stated_by
from holdfast.policies.retention import Retention
from holdfast.upkeep.admitter import Admitter
from holdfast.upkeep.completer import Completer
from holdfast.upkeep.counter import Counter
from holdfast.upkeep.loop import Loop
from holdfast.upkeep.minutes import MinuteKeeper
from holdfast.upkeep.operations import Operator
from holdfast.upkeep.pruner import Pruner
from holdfast.upkeep.pulse import Pulse
from holdfast.upkeep.queue_watch import QueueWatch
from holdfast.upkeep.reconciler import Reconciler
from holdfast.upkeep.recorded import RecordedKeeper
from holdfast.upkeep.relay import Relay
from holdfast.upkeep.rescuer import BATCH, Rescuer
from holdfast.upkeep.settler import Settler

logger = logging.getLogger("holdfast.upkeep")
PRUNE_SECONDS = 10.0
# Held jobs brought forward in one transaction.
WAITS = 1000
PRUNE_IDLE_SECONDS = 300.0
# Until minutes are counted again after that has failed.
MINUTE_SECONDS = 60.0
# Of a sweep: what is left is for the look itself, and for a loop that is late.
LOOK = 0.8
# Between two rounds of what is looked at in pages.
ROUND_SECONDS = 1.0
ASLEEP_SECONDS = 3600.0
# Up to so many workers the duty of one that is gone is looked at just when it ends; more of them beat often enough.
FEW = 4
# What the database's clock and ours may differ by while one waits for an instant that the other has told.
MARGIN_SECONDS = 0.05


class Crew:
    """Two loops: the relay, which must be quick, and the sweep, which rescues, reconciles, settles and prunes."""

    def __init__(
        self,
        app: Any,
        worker: Callable[[], UUID],
        pulse: Pulse,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        outbox = app.outbox
        self._monotonic = monotonic
        self._worker = worker
        # Read here, so that a worker with limits nobody can keep does not start.
        self._admitter = Admitter(stated_by(app), monotonic)
        self._relay = Relay(outbox.publisher, self._admitter)
        self._pulse = pulse
        self._rescuer = Rescuer(pulse, outbox.publish)
        self._reconciler = Reconciler(outbox.publisher, outbox.publish)
        self._settler = Settler(app.backend.settle, monotonic)
        self._completer = Completer(app.backend.finish_batch, monotonic)
        self._counter = Counter(monotonic)
        self._queues = QueueWatch(monotonic)
        self._operator = Operator(
            outbox.publish, app.control.tell_workers, partial(examination_of, app), monotonic
        )
        self._pruner = Pruner(
            results_kept_seconds=app.backend.expires, retention=Retention(app.tasks.get)
        )
        self._minutes = MinuteKeeper()
        self._recorded = RecordedKeeper(monotonic)
        begun = monotonic()
        self._on_duty = False
        self._work = Work()
        self._duty_renew_at = self._duty_ask_at = begun
        self._rescue_at = self._sweep_at = begun
        self._suspicious = False
        self._round_at = self._operate_at = begun
        self._prune_at = begun + PRUNE_SECONDS
        self._prune_pause = PRUNE_SECONDS
        self._minute_at = begun
        # A look that finds SQLite's writer busy must not cost the rest of its sweep.
        again = min(1.0, get_settings().sweep_seconds / 5)
        self._relay_loop = Loop("relay", self._relay_pass, after_error=again, rests=True)
        self._sweep_loop = Loop("sweep", self._sweep_pass, after_error=again, rests=True)
        self.loops = [self._relay_loop, self._sweep_loop]

    def start(self) -> None:
        """Start the loops."""
        for loop in self.loops:
            loop.start()

    def stop(self, *, seconds: float) -> None:
        """Stop the loops and free the duty for the next worker."""
        for loop in self.loops:
            loop.stop(seconds=seconds)
        if self._on_duty:
            self._leave_duty()

    def _leave_duty(self) -> None:
        try:
            workers.leave_duty(workers.UPKEEP, self._worker())
        except Error as error:
            # Whoever stops has its jobs to hand back after this: it must come to that, and end in order.
            logger.warning("The duty is not given back (%s): the next worker waits for it", error)

    def hear(self, beat: Beat) -> None:
        """Note what the ledger told when the lease was renewed; wakes the loop that has something to do."""
        now, next_beat = self._monotonic(), get_settings().beat_seconds
        # Nobody whose beats come in time is so near the end of a lease.
        lapses = beat.lapse_seconds is not None and beat.lapse_seconds < next_beat
        self._suspicious = lapses or beat.left_behind
        if self._suspicious:
            wait = 0.0 if beat.left_behind else max(0.0, beat.lapse_seconds or 0.0)
            self._rescue_at = min(self._rescue_at, now + wait + MARGIN_SECONDS)
            self._sweep_loop.wake()
        if self._on_duty:
            if self._pulse.was_set_back:
                self._sweep_loop.wake()
            return
        free_in = beat.duty_seconds
        if free_in <= 0 or (beat.others < FEW and free_in < next_beat):
            self._duty_ask_at = now + max(0.0, free_in + MARGIN_SECONDS)
            self._relay_loop.wake()

    # -- the relay's loop: the duty, what there is to do, and what must be done at once ---------------------

    def _relay_pass(self) -> float:
        self._admitter.declare()
        work = self._look()
        now = self._monotonic()
        if work is None:
            return max(0.0, self._duty_ask_at - now)
        self._work = work
        if self._is_swept_soon(work, now):
            self._sweep_loop.wake()
        return min(self._relay.one_pass(work), self._duty_seconds() / 3)

    def _look(self) -> Work | None:
        """Tell what there is to do, if it is this worker's to do; the duty's row is written once in a while."""
        now = self._monotonic()
        if self._on_duty and now < self._duty_renew_at:
            return duty.look()
        if not self._on_duty and now < self._duty_ask_at:
            return None
        # Who cannot write the row cannot know that nobody else has taken it, and asks again.
        had, self._on_duty, self._duty_ask_at = self._on_duty, False, now
        seconds = self._duty_seconds()
        work = duty.keep(self._worker(), seconds=seconds) if had else self._take_duty(seconds)
        if work is not None:
            self._duty_renew_at = now + seconds / 3
            self._on_duty = True
            if not had:
                # Only now: a sweep that woke before the duty was noted would go back to sleep until a rescue.
                self._sweep_at = self._round_at = self._operate_at = self._minute_at = now
                self._minutes.begin()
                self._recorded.begin()
                self._sweep_loop.wake()
        elif self._duty_ask_at == now:
            self._duty_ask_at = now + ASLEEP_SECONDS
        return work

    def _take_duty(self, seconds: float) -> Work | None:
        if not workers.take_duty(workers.UPKEEP, self._worker(), seconds=seconds):
            return None
        return duty.look()

    def _duty_seconds(self) -> float:
        """How long the duty stands without renewal: with the others' pause between looks less than a lease."""
        settings = get_settings()
        return min(max(3.0, settings.sweep_seconds * 2), settings.lease_seconds / 2)

    def _is_swept_soon(self, work: Work, now: float) -> bool:
        """Tell whether the sweep has something to do that it may not know of yet."""
        rounds = self._goes_round(work) and now >= self._round_at
        rounds = rounds or (work.operations and now >= self._operate_at)
        return rounds or (not self._is_quiet(work) and now >= self._sweep_at)

    def _goes_round(self, work: Work) -> bool:
        return work.unsettled or work.batches or work.failures

    def _is_quiet(self, work: Work) -> bool:
        return not (work.queued or work.running or self._queues.has_told)

    # -- the sweep's loop: what may take a while -----------------------------------------------------------

    def _sweep_pass(self) -> float:
        now = self._monotonic()
        settings = get_settings()
        work = self._work if self._on_duty else Work()
        look = now >= self._sweep_at and not self._is_quiet(work)
        if now >= self._rescue_at or (look and work.running):
            # With the duty or without: who has it may have started too late to judge others.
            self._rescue(now)
        if self._on_duty:
            if self._pulse.was_set_back:
                self._end_long_waits()
            self._round(work, now)
            self._operate(work, now)
            if look:
                if work.queued:
                    self._reconciler.one_pass()
                self._queues.one_pass()
                more = self._reconciler.has_more
                self._sweep_at = now + (0.0 if more else settings.sweep_seconds * LOOK)
            self._prune(now)
            self._count_minutes(work, now)
        return self._until_next(work)

    def _rescue(self, now: float) -> None:
        more = self._rescuer.one_pass() >= BATCH
        pause = get_settings().sweep_seconds * LOOK
        if not self._suspicious:
            pause = ASLEEP_SECONDS
        elif self._rescuer.waits:
            # The right to judge comes with one of the next beats: the jobs have waited for a whole lease already.
            pause /= 4
        self._rescue_at = now if more else now + pause

    def _end_long_waits(self) -> None:
        """The clock was set back: once by whoever has the duty, or has it next; done again it changes nothing."""
        self._pulse.was_set_back = False
        try:
            while publishing.end_long_waits(limit=WAITS) >= WAITS:
                pass
        except Exception:
            self._pulse.was_set_back = True
            raise

    def _round(self, work: Work, now: float) -> None:
        if now < self._round_at:
            return
        if work.unsettled:
            self._settler.one_pass()
        if work.batches:
            self._completer.one_pass()
        if work.failures:
            self._counter.one_pass()
        if self._goes_round(work):
            self._round_at = now + ROUND_SECONDS

    def _operate(self, work: Work, now: float) -> None:
        if work.operations and now >= self._operate_at:
            more = self._operator.one_pass()
            self._operate_at = now if more else now + ROUND_SECONDS

    def _prune(self, now: float) -> None:
        if now < self._prune_at:
            return
        busy = self._pruner.one_pass() > 0
        # What is over becomes so by the clock, days later: where nothing is, looks may be far apart.
        self._prune_pause = (
            PRUNE_SECONDS if busy else min(PRUNE_IDLE_SECONDS, self._prune_pause * 4)
        )
        self._prune_at = now if busy else now + self._prune_pause

    def _count_minutes(self, work: Work, now: float) -> None:
        if now < self._minute_at:
            return
        # First: a failure holds nothing else up until the next try.
        self._minute_at = now + MINUTE_SECONDS
        pause = self._minutes.one_pass()
        # What came and went between two looks shows in the minutes alone.
        quiet = self._is_quiet(work) and not self._minutes.has_counted
        self._minute_at = now if self._recorded.one_pass(quiet=quiet) else now + pause

    def _until_next(self, work: Work) -> float:
        moments = [self._rescue_at]
        if self._on_duty:
            moments += [self._prune_at, self._minute_at]
            if not self._is_quiet(work):
                moments.append(self._sweep_at)
            if self._goes_round(work):
                moments.append(self._round_at)
            if work.operations:
                moments.append(self._operate_at)
        return max(0.0, min(moments) - self._monotonic())
