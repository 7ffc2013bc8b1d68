"""A worker's lease: taken at start, renewed from a thread of its own, given up at the end; in the main process.

The same thread audits: what the ledger says this worker runs is what it runs, or it is put right.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from functools import partial
from typing import Any
from uuid import uuid4

from celery import bootsteps
from celery.signals import task_postrun
from django.db import DatabaseError, connections

from holdfast import events
from holdfast.conf import get_settings
from holdfast.dispatch import quiet_logs
from holdfast.dispatch.code import code_of
from holdfast.interruptions import strike_again_if_ignored
from holdfast.ledger import counts, transitions, wishes, workers
from holdfast.ledger.connections.turns import is_busy
from holdfast.ledger.connections.watchdog import connect_soon
from holdfast.ledger.database import connection
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold
from holdfast.ledger.releases import Code
from holdfast.lineage import patience_seconds
from holdfast.upkeep.crew import Crew
from holdfast.upkeep.loop import Loop
from holdfast.upkeep.pulse import Pulse
from holdfast.worker import inside, processes
from holdfast.worker.child_stacks import ChildStacks
from holdfast.worker.condition import Condition
from holdfast.worker.current import current_intake
from holdfast.worker.deliveries import Held
from holdfast.worker.footprint import Footprint
from holdfast.worker.growth import Growth, processes_of
from holdfast.worker.intake import Intake
from holdfast.worker.last_words import hear_last_words
from holdfast.worker.leaving import give_all_back
from holdfast.worker.processes import is_dropped

logger = logging.getLogger("holdfast.worker")
STOP_SECONDS = 5.0
DOUBT_SECONDS = 3.0
SETTLE_SECONDS = 2.0
# Longest time from the commit of an attempt's end to the moment in which its process has said so.
END_SECONDS = 0.25
EXIT_LEASE_LOST = 75
# Between two looks whether a process of the pool is gone.
LOOK_SECONDS = 1.0
# Between two turns of asking for SQLite's writer: a fork may pass.
BUSY_SECONDS = 0.05


class Lifeline(bootsteps.StartStopStep):
    """Keeps the worker's lease while the worker lives, however long its pool takes to stop."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:
        super().__init__(parent, **kwargs)
        parent.lifeline = self
        # Before the pool is made: its processes inherit it.
        quiet_logs.install(parent.app)
        inside.answer()
        self.child_stacks = ChildStacks()
        if "prefork" in getattr(getattr(parent, "pool_cls", None), "__module__", ""):
            self.child_stacks.install()
            strike_again_if_ignored()
        self._parent = parent
        self._intake: Intake = current_intake(parent.app)
        self.condition = Condition()
        self._pulse = Pulse()
        self._beat = Loop(
            "heartbeat",
            self._beat_pass,
            # There must be time for many more tries within the lease.
            after_error=min(1.0, get_settings().lease_seconds / 20),
            longest=get_settings().lease_seconds / 3,
            undisturbed=True,
        )
        self._intake.waiting.renew = self._beat.wake
        self._crew: Crew | None = None
        self._code = Code()
        self._growth = Growth(lambda: processes_of(getattr(parent, "pool", None)))
        self._footprint = Footprint(
            lambda: [os.getpid(), *processes_of(getattr(parent, "pool", None))]
        )
        self._counts = counts.Counts()
        self._orphans: set[tuple[str, int]] = set()
        self._stopped_children: dict[int, float] = {}
        self._registered = False
        self._queues: list[str] = []
        self._slots = 0
        self._stopping = False
        self._retired = False

    def start(self, parent: Any) -> None:
        """Take a lease and begin to keep it."""
        connect_soon()
        if self._is_green():
            task_postrun.connect(_close_connections)
            if connection().vendor == "sqlite":
                logger.warning(
                    "A pool of greenlets on SQLite: a body that waits inside a transaction stops the whole process "
                    "until SQLite's timeout is over. Use another pool, or PostgreSQL."
                )
        hear_last_words(parent.pool)
        self._code = code_of(parent.app)
        counts.listen(self._counts)
        self._crew = Crew(parent.app, lambda: self._intake.worker, self._pulse)
        self._intake.clerk.start()
        self._beat.start()
        self._crew.start()

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:
        """Look for processes that are gone; Celery calls this for each connection, and ends it with that.

        Celery is woken when one closes its files, finds it alive still if it looks before the system has ended it, and
        would look again after five seconds.
        """
        hub.call_repeatedly(LOOK_SECONDS, parent.pool.maintain_pool)

    def close(self, parent: Any) -> None:
        """The worker begins to stop: hand back what has not started."""
        self._intake.close()
        self._stopping = True
        self._intake.clerk.submit(self._note_queues)

    def stop(self, parent: Any) -> None:
        """Go on beating: the pool is still finishing its jobs. `retire` is the end."""

    def tell(self) -> None:
        """Write the worker's condition soon, with a heartbeat."""
        self._beat.wake()

    def terminate(self, parent: Any) -> None:
        """Go on beating until the pool is gone; then `retire` hands back what it ran."""

    @property
    def retired(self) -> bool:
        """Whether the pool has stopped, and what was left is being handed back or was."""
        return self._retired

    def retire(self, *, at_once: bool = False) -> None:
        """The pool has stopped, or goes with this process at once: hand back what is left, and give the lease up."""
        if self._retired:
            return
        self._retired = True
        self.child_stacks.remove()
        if self._crew is not None:
            self._crew.stop(seconds=STOP_SECONDS)
        self._intake.admissions.stop(seconds=STOP_SECONDS)
        # Jobs that have run: given back they would run again.
        if not self._intake.ends.await_written(seconds=patience_seconds()):
            logger.warning(
                "%d ends could not be recorded: these jobs run again", len(self._intake.ends)
            )
        # What they had to tell of batches; the loop of another worker would find it too.
        self._intake.following.stop(seconds=STOP_SECONDS)
        kills = at_once or processes.is_prefork(self._parent.pool)
        self._intake.clerk.submit(partial(give_all_back, self._intake, kills=kills))
        self._intake.clerk.submit(self._intake.guard.write)
        self._intake.clerk.submit(self._counts.write)
        self._intake.clerk.submit(lambda: workers.retire(self._intake.worker))
        self._intake.clerk.stop(seconds=STOP_SECONDS)
        self._beat.stop(seconds=STOP_SECONDS)

    def _beat_pass(self) -> float:
        settings = get_settings()
        self._end_stopped_children(settings.lease_seconds)
        try:
            if not self._registered:
                self._register()
            beat = workers.renew(self._intake.worker, consuming=self.condition.told())
        except Exception as error:
            self.condition.database(reached=False)
            if is_busy(error):
                return self._wait_for_writer(settings.lease_seconds)
            self._pulse.skip()
            raise
        self.condition.database(reached=True)
        if beat is None:
            if not self._retired:
                self._start_anew()
            return 0.0
        self._pulse.beat(beat.now)
        if self._crew is not None:
            self._crew.hear(beat)
        self._intake.guard.write_soon()
        if not self._counts.is_empty:
            self._intake.clerk.submit(self._counts.write)
        self._note_queues()
        self._note_growth()
        # Who holds nothing, and of whom the ledger says so too, has nothing to put right.
        soon = (self._intake.held or beat.booked or self._orphans) and self._audit()
        return min(settings.beat_seconds, END_SECONDS) if soon else settings.beat_seconds

    def _wait_for_writer(self, lease: float) -> float:
        """Somebody holds SQLite's one writer: look whether it is a process of ours that stands still, and ask again."""
        logger.warning("The lease cannot be renewed: SQLite's only writer is busy; asking again")
        self._pulse.hinder()
        # Its body would be refused for holding the writer for so long, and until it ends nobody can write.
        self._end_stopped_children(lease / 3)
        return BUSY_SECONDS

    def _register(self) -> None:
        parent = self._parent
        # With --autoscale a pool begins with the lower bound, whatever -c says.
        self._queues, self._slots = self._serves(), int(parent.min_concurrency or 1)
        pool = (
            type(parent.pool).__module__.rsplit(".", 1)[-1]
            if getattr(parent, "pool", None)
            else "?"
        )
        workers.register(
            workers.Incarnation(
                id=self._intake.worker,
                name=parent.hostname,
                host=socket.gethostname(),
                pid=os.getpid(),
                pool=pool,
                concurrency=self._slots,
                queues=self._queues,
                code=self._code,
            )
        )
        self._registered = True
        logger.info("Lease taken by %s as %s", parent.hostname, self._intake.worker)
        events.worker_registered.send(
            sender=type(self), worker=self._intake.worker, name=parent.hostname
        )

    def _serves(self) -> list[str]:
        """Return the queues this worker takes jobs from: remote control may change them, and a stop ends them."""
        return [] if self._stopping else sorted(self._parent.app.amqp.queues.consume_from)

    def _note_queues(self) -> None:
        serves = self._serves()
        # Remote control may change them too.
        slots = self._intake.slots if self._intake.open else self._slots
        if (serves, slots) != (self._queues, self._slots):
            workers.note_queues(self._intake.worker, serves, slots=slots)
            self._queues, self._slots = serves, slots

    def _note_growth(self) -> None:
        growth = self._growth.look()
        if growth is not None:
            workers.note_growth(self._intake.worker, growth)
        taken = self._footprint.look()
        if taken is not None:
            workers.note_memory(self._intake.worker, together=taken[0], largest=taken[1])

    def _start_anew(self) -> None:
        """This worker was declared lost: all it runs belongs to others now. Stop that, and begin a new life."""
        lost = self._intake.worker
        logger.error(
            "The lease of %s was taken away: its attempts are stopped, it starts anew", lost
        )
        attempts = list(self._intake.held.values())
        self._intake.worker = uuid4()
        self._intake.forget()
        self._registered = False
        self._footprint.forget()
        self._pulse.skip()
        events.lease_lost.send(sender=type(self), worker=lost)
        if any(held.delivered and not self._can_stop(held) for held in attempts):
            # A thread cannot be stopped from outside: the process leaves, its supervisor starts a new one.
            logger.critical("Attempts that lost their lease run in threads: this process ends")
            os._exit(EXIT_LEASE_LOST)
        for held in attempts:
            self._stop_attempt(held, heard=False)
            self._intake.let_go(held.hold)

    def _audit(self) -> bool:
        """Compare the ledger's view of this worker with what it really runs; True: do so again soon."""
        intake = self._intake
        soon = False
        self._cancel_what_waits()
        rows = queries.held_by(intake.worker)
        now = time.monotonic()
        for held in list(intake.held.values()):
            if rows.get(held.hold.id) != held.hold.token and now - held.since > SETTLE_SECONDS:
                if intake.held.get(held.hold.id) is held:
                    soon |= self._has_moved_on(held, now)
            elif held.doubtful_since is not None and now - held.doubtful_since > DOUBT_SECONDS:
                if is_dropped(held.request):
                    self._give_back([held.hold], cause="dropped at a reconnect")
                held.doubtful_since = None
        unheld = {
            (id, token)
            for id, token in rows.items()
            if id not in intake.held
            and not intake.claiming
            and Hold(id, token, intake.worker) not in intake.ends
        }
        # Twice in a row: between a claim's commit and its note here there is a moment.
        orphans = unheld & self._orphans
        if orphans:
            self._give_back(
                [Hold(id, token, intake.worker) for id, token in orphans],
                cause="nobody here runs it",
            )
        self._orphans = unheld - orphans
        return soon

    def _has_moved_on(self, held: Held, now: float) -> bool:
        """Stop an attempt whose job is not its own any more; True: look again soon, it may just have ended."""
        if held.moved_on_at is None:
            held.moved_on_at = now
        if now - held.moved_on_at < END_SECONDS:
            return True
        # While the broker is away nobody hears what processes say: one that has begun meanwhile is ended all the same.
        if self._stop_attempt(held, heard=now - held.moved_on_at < SETTLE_SECONDS):
            logger.warning("Job %s has moved on: its attempt here is stopped", held.hold.id)
        return False

    def _cancel_what_waits(self) -> None:
        """Cancel jobs that were asked to stop while they wait here for a slot: no body is there to look."""
        intake = self._intake
        waiting = {held.hold.id: held for held in list(intake.held.values()) if intake.waits(held)}
        for id in wishes.asked_among(waiting) if waiting else ():
            if intake.waits(waiting[id]) and transitions.revoke(waiting[id].hold):
                intake.release(waiting[id].hold)

    def _give_back(self, holds: list[Hold], *, cause: str) -> None:
        self._intake.clerk.submit(lambda: self._intake.give_back(holds, cause=cause))

    def _stop_attempt(self, held: Held, *, heard: bool = True) -> bool:
        """End an attempt whose job is somebody else's now; False: its end is here or on its way.

        A thread is left to run, and to write in vain. With `heard` off also one that has begun without our knowing.
        """
        pool, request = self._parent.pool, held.request
        stopped = True
        if is_dropped(request):
            pass
        elif "prefork" in type(pool).__module__:
            stopped = processes.end(pool, request, heard=heard)
        elif request.time_start is None:
            pass
        elif self._can_stop(held):
            request._already_revoked = True
            leave = partial(pool.terminate_job, request.worker_pid, signal.SIGKILL)
            # A greenlet's loop is the one it runs in. The others are told at once: while the broker is away Celery's
            # event loop does not turn.
            self._intake.in_loop(leave) if self._is_green() else leave()
        else:
            logger.error(
                "Job %s runs in a thread that cannot be stopped: nothing it writes to the ledger counts",
                held.hold.id,
            )
        return stopped and self._intake.let_go(held.hold)

    def _can_stop(self, held: Held) -> bool:
        """A process is killed, a greenlet or coroutine told to leave; nothing stops a thread from outside."""
        pool = self._parent.pool
        if hasattr(pool, "can_stop"):
            return bool(pool.can_stop(getattr(held.request, "worker_pid", None)))
        return "prefork" in type(pool).__module__ or self._is_green()

    def _is_green(self) -> bool:
        return bool(getattr(self._parent.pool, "is_green", False))

    def _end_stopped_children(self, longest: float) -> None:
        """Kill children that somebody stopped for longer than that: their parent beats, so nobody else would."""
        now = time.monotonic()
        seen = {}
        for held in list(self._intake.held.values()):
            pid = processes.process_of(held.request)
            if pid and processes.is_stopped(pid):
                seen[pid] = self._stopped_children.get(pid, now)
                if now - seen[pid] >= longest:
                    logger.error(
                        "Process %d of job %s has been stopped for %.0f s: killed",
                        pid,
                        held.hold.id,
                        now - seen[pid],
                    )
                    os.kill(pid, signal.SIGKILL)
        self._stopped_children = seen


def _close_connections(task: Any = None, **_: Any) -> None:
    """Close what a job opened: its greenlet ends with it, and would leave its connections to the garbage collector."""
    if task is not None and task.request.is_eager:
        return
    for here in connections.all(initialized_only=True):
        try:
            here.close()
        except DatabaseError:  # one that is gone already may refuse even that
            logger.debug("closing a job's connection failed", exc_info=True)
