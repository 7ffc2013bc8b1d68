"""The loops of one worker, and the duty that lets only one worker's act; every worker rescues."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from holdfast.conf import get_settings
from holdfast.ledger import workers
from holdfast.policies.limits import stated_by
from holdfast.policies.retention import Retention
from holdfast.upkeep.admitter import Admitter
from holdfast.upkeep.completer import Completer
from holdfast.upkeep.loop import Loop
from holdfast.upkeep.pruner import Pruner
from holdfast.upkeep.pulse import Pulse
from holdfast.upkeep.queue_watch import QueueWatch
from holdfast.upkeep.reconciler import Reconciler
from holdfast.upkeep.relay import Relay
from holdfast.upkeep.rescuer import Rescuer
from holdfast.upkeep.settler import Settler

PRUNE_SECONDS = 10.0
# Of a sweep: what is left is for the look itself, and for a loop that is late.
LOOK = 0.8


class Crew:
    """Two loops: the relay, which must be quick, and the sweep, which rescues, reconciles, settles and prunes."""

    def __init__(self, app: Any, worker: Callable[[], UUID], pulse: Pulse) -> None:
        outbox = app.outbox
        self._worker = worker
        self._on_duty = False
        self._duty_checked = float("-inf")
        # Read here, so that a worker with limits nobody can keep does not start.
        self._admitter = Admitter(stated_by(app))
        self._relay = Relay(outbox.publisher, self._admitter)
        self._rescuer = Rescuer(pulse, outbox.publish)
        self._reconciler = Reconciler(outbox.publisher, outbox.publish)
        self._settler = Settler(app.backend.settle)
        self._completer = Completer(app.backend.finish_batch)
        self._queues = QueueWatch()
        self._pruner = Pruner(
            results_kept_seconds=app.backend.expires, retention=Retention(app.tasks.get)
        )
        self._next_prune = time.monotonic() + PRUNE_SECONDS
        self._next_look = 0.0
        # A look that finds SQLite's writer busy must not cost the rest of its sweep.
        again = min(1.0, get_settings().sweep_seconds / 5)
        self.loops = [
            Loop("relay", self._relay_pass, after_error=again),
            Loop("sweep", self._sweep_pass, after_error=again),
        ]

    def start(self) -> None:
        """Start the loops."""
        for loop in self.loops:
            loop.start()

    def stop(self, *, seconds: float) -> None:
        """Stop the loops and free the duty for the next worker."""
        for loop in self.loops:
            loop.stop(seconds=seconds)
        if self._on_duty:
            workers.leave_duty(workers.UPKEEP, self._worker())

    def _sweep_pass(self) -> float:
        settings = get_settings()
        now = time.monotonic()
        look = now >= self._next_look
        if look:
            # With the duty or without: who has it may have started too late to judge others.
            self._rescuer.one_pass()
        pause = settings.beat_seconds
        if self._take_duty():
            pause = min(1.0, self._duty_seconds() / 3)
            self._settler.one_pass()
            self._completer.one_pass()
            if look:
                self._reconciler.one_pass()
                self._queues.one_pass()
            if now >= self._next_prune:
                busy = self._pruner.one_pass() > 0
                self._next_prune = now if busy else now + PRUNE_SECONDS
        if look:
            self._next_look = now + settings.sweep_seconds * LOOK
        return min(pause, max(0.0, self._next_look - time.monotonic()))

    def _relay_pass(self) -> float:
        self._admitter.declare()
        if not self._on_duty:
            return min(1.0, get_settings().beat_seconds)
        return self._relay.one_pass()

    def _take_duty(self) -> bool:
        """Take or renew the duty; the row is written once in a while and not at every pass."""
        seconds = self._duty_seconds()
        now = time.monotonic()
        if self._on_duty and now - self._duty_checked < seconds / 3:
            return True
        try:
            self._on_duty = workers.take_duty(workers.UPKEEP, self._worker(), seconds=seconds)
        except Exception:
            # Who cannot write the row cannot know that nobody else has taken it.
            self._on_duty = False
            raise
        self._duty_checked = now
        return self._on_duty

    def _duty_seconds(self) -> float:
        """How long the duty stands without renewal: with the others' pause between looks less than a lease."""
        settings = get_settings()
        return min(max(3.0, settings.sweep_seconds * 2), settings.lease_seconds / 2)
