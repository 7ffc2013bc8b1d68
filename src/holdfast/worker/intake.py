"""What a worker has taken in: tickets that wait, jobs it has claimed, and the claims between; in the main process.

A ticket is claimed for a free slot, or a little ahead of one while jobs are short. What if the process dies
here? A ticket that waits is found missing and published again; a claimed job is given back with the lease.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4

from celery.exceptions import InvalidTaskError
from kombu.exceptions import ContentDisallowed, DecodeError

from holdfast.broker.arrivals import Arrival
from holdfast.ledger import transitions
from holdfast.ledger.database import is_passing
from holdfast.ledger.records import ClaimedJob, End, Hold, Refusal, Ticket
from holdfast.ledger.states import Reason
from holdfast.tickets import HEADER
from holdfast.worker import pools
from holdfast.worker.admissions import Admissions
from holdfast.worker.clerk import Clerk
from holdfast.worker.deliveries import Delivery, Held, straight
from holdfast.worker.ends import Ends
from holdfast.worker.filling import fill
from holdfast.worker.following import Following
from holdfast.worker.guard import Guard
from holdfast.worker.waiting import LOCKED_MOST, WORTH_WAITING, Pace, Waiting, drop, shelve

logger = logging.getLogger("holdfast.worker")
Then = Callable[[], Any] | None
Alone = Callable[[], bool] | None
_is_delivered = attrgetter("delivered")
LINED_UP = 7  # short jobs that wait with the pool for each of its threads


class Intake:
    """The gate of the transport, and the desk between the event loop and the clerk."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.worker: UUID = uuid4()
        self.held: dict[str, Held] = {}
        self.killed: set[Hold] = set()
        self.waiting = Waiting()
        self.ready: deque[tuple[Delivery, ClaimedJob]] = deque()
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.open = False
        self.claiming = 0
        self.in_threads = self.begins_late = self.lines_up = False
        self.pace = Pace()
        self._consumer: Any = None
        self._pool: Any = None
        self._delivers = False
        self.clerk = Clerk(self._write_and_claim)
        self.following = Following(app)
        self.ends = Ends(lambda: self.worker, self._end_came, self.following.submit)
        self.guard = Guard(worker=lambda: self.worker, submit=self.clerk.submit)
        self.admissions = Admissions(self.publish, self.held)

    # -- capacity ---------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many jobs the pool runs at once."""
        return max(1, int(getattr(self._pool, "num_processes", 1) or 1))

    def room(self) -> int:
        """Return how many more tickets may be fetched."""
        if not self.open:
            return 0
        taken = len(self.held) + len(self.waiting) + self.claiming
        return self.slots + self._ahead() - taken + min(self.waiting.locked, LOCKED_MOST)

    def wants(self) -> bool:
        """Fetch short jobs by the batch: one round trip for one job costs as much as for many."""
        return self.room() > self._ahead() // 2

    def resize(self, slots: int) -> int:
        """Give the pool so many slots, as far as those that go are idle; return how many it has. In the event loop."""
        pools.resize(self._pool, max(1, slots), running=self._running())
        self.lines_up = self.in_threads and not pools.has_spare_threads(self._pool)
        self._fill_slots()
        return self.slots

    def idle(self) -> bool:
        """Tell that there is nothing here to do."""
        return not (self.held or self.waiting or self.claiming)

    def admits(self, arrival: Arrival, item: bytes, *, queue: str) -> bool:
        """Tell whether what has arrived may go on to the worker; the guard notes what is not ours."""
        return self.guard.admits(arrival, item, queue=queue)

    def _ahead(self) -> int:
        return self.pace.ahead(self.slots)

    # -- the event loop's side --------------------------------------------------------------------

    def bind(self, consumer: Any) -> None:
        """Serve this consumer; again after every reconnect."""
        self._consumer = consumer
        self._pool = consumer.pool
        self.in_threads = "concurrency.thread" in type(consumer.pool).__module__
        self.lines_up = self.in_threads and not pools.has_spare_threads(consumer.pool)
        self.begins_late = self.in_threads or getattr(consumer.pool, "begins_late", False)
        self.open = True
        self._deliver()

    def take(self, ticket: dict[str, Any], *, channel: Any) -> bool:
        """Take one of the tickets of a fetch; False: it is to come by way of Celery, which knows what to do with it."""
        known = ticket["headers"]["task"] in self.handlers
        delivery = straight(ticket, channel=channel, consumer=self._consumer) if known else None
        if delivery is not None:
            self.waiting.append(delivery)
        return delivery is not None

    def taken(self) -> None:
        """Claim what a fetch has brought: all together."""
        if self.waiting:
            self._claim_soon(idle=not (self.held or self.claiming))

    def receive(self, delivery: Delivery) -> None:
        """Take a ticket by way of Celery."""
        idle = self.idle()
        self.waiting.append(delivery)
        self._claim_soon(idle=idle)

    def _claim_soon(self, *, idle: bool) -> None:
        if idle and self._consumer is not None and self._consumer.hub is not None:
            self._claim_at_once()
        self._ask_for_claims()

    def _ask_for_claims(self) -> None:
        """Have the clerk claim what waits: at once if there is nothing here that a slot could take."""
        if self.waiting:
            self.clerk.wake(at_once=not self.ready)

    def _end_came(self) -> None:
        """Have the clerk write an end: at once if it is that of the only job here."""
        self.clerk.wake(at_once=len(self.held) <= 1)

    def _claim_at_once(self) -> None:
        """Claim in the event loop, which has nothing else to do."""
        try:
            with self.clerk.borrow() as lent:
                if not lent:
                    return
                self.claim()
        except Exception as error:
            logger.warning("A claim in the event loop failed (%s): left to the clerk", error)
        else:
            self._deliver()

    def attach(self, request: Any) -> None:
        """Remember the request that runs a claimed job."""
        held = self.held.get(request.id)
        if held is not None and held.hold == request.hold:
            held.request = request
            # The same one from here on: it is compared several times a job.
            request.hold = held.hold

    def end(
        self, end: End, *, run_time: float, batch: str | None, then: Then, alone: Alone
    ) -> None:
        """Take the end of an attempt that has succeeded, to be written soon; its slot takes the next job at once.

        Once it is in the ledger its batch is looked at, and `then` is called in the thread that has written it.
        """
        hold = end.hold
        held = self.held.get(hold.id)
        if held is None or held.hold != hold:
            return
        limits = held.limits

        def tell() -> None:
            if limits:
                self.admissions.ended(hold.id, limits)
            if batch is not None:
                self.following.ended(batch)
            if then is not None:
                then()

        # First this: whoever looks meanwhile finds the job in one of the two places.
        self.ends.add(end, then=tell if limits or batch or then else None, alone=alone)
        held.limits = ()
        self.release(hold, run_time=run_time)

    def release(self, hold: Hold, *, run_time: float | None = None) -> None:
        """Note that an attempt is over; its slot takes the next job."""
        held = self.held.get(hold.id)
        if held is None or held.hold != hold:
            return
        del self.held[hold.id]
        if held.limits:
            tell = partial(self.admissions.ended, hold.id, held.limits)
            # What did not succeed may have its end written by the clerk, who then tells of it.
            tell() if run_time is not None else self.clerk.submit(tell)
        if run_time is not None:
            self.pace.ran(run_time)
        self._fill_slots()

    def let_go(self, hold: Hold) -> bool:
        """Forget an attempt that is stopped from outside, and whose slot is free; False: it has ended before."""
        held = self.held.get(hold.id)
        stands = held is not None and held.hold == hold
        if stands:
            del self.held[hold.id]
            self._fill_slots()
        return stands

    def _fill_slots(self) -> None:
        if not self._has_enough():
            self._deliver_soon()
            self._ask_for_claims()

    def _has_enough(self) -> bool:
        """Tell whether so much waits with the pool that nobody needs to be woken: one wake-up is to serve many jobs."""
        return self.in_threads and 2 * (self._running() - self.slots) > self._places() - self.slots

    def _deliver_soon(self) -> None:
        """Have the event loop look once, for however many slots are free by then."""
        if not self._delivers:
            self._delivers = True
            self.in_loop(self._deliver)

    def in_loop(self, work: Callable[[], None]) -> None:
        """Run work in the event loop's thread, and let the loop look for room.

        gevent and other pools have no hub: there the clerk does it, for whoever ends a job still holds its slot.
        """
        consumer = self._consumer
        if consumer is None or consumer.hub is None:
            self.clerk.submit(work)
        else:
            consumer.hub.call_soon(work)

    def _deliver(self) -> None:
        """Give claimed jobs to the pool, one for each slot: what waits, waits here, where a stop can hand it back."""
        # Before the look: what becomes ready or free from here on asks for another one.
        self._delivers = False
        free = self._places() - self._running()
        while self.ready and self.open and free > 0:
            delivery, job = self.ready.popleft()
            held = self.held.get(job.id)
            if held is None or held.hold.token != job.token:
                delivery.drop()
                continue
            held.delivered = True
            held.since = time.monotonic()
            free -= 1
            self._hand_to_celery(delivery, job, held.hold)

    def _places(self) -> int:
        # A thread that has ended a short job takes the next one itself: the event loop gets its turn late then.
        return self.slots + (min(self._ahead(), self.slots * LINED_UP) if self.lines_up else 0)

    def waits(self, held: Held) -> bool:
        """Tell whether a job waits here still: for a slot, or for a thread that leaves it if it is taken away."""
        return not held.delivered or (self.begins_late and not held.begun)

    def stands(self, request: Any) -> bool:
        """Tell whether a request's job is still this worker's to run."""
        held = self.held.get(request.id)
        return held is not None and held.hold == request.hold

    def _running(self) -> int:
        return sum(map(_is_delivered, list(self.held.values())))

    def _hand_to_celery(self, delivery: Delivery, job: ClaimedJob, hold: Hold) -> None:
        handler = self.handlers.get(job.task)
        try:
            if handler is None:
                raise InvalidTaskError(f"no task named {job.task} is registered here")
            # One more loss would make it dead: its end is not to wait for anybody.
            fill(delivery.message, job, worker=self.worker, takes_end=not delivery.last_chance)
            self.held[job.id].limits = delivery.message.headers[HEADER].get("limits", ())
            handler(delivery.message, None, delivery.ack, delivery.reject, delivery.callbacks)
        except (InvalidTaskError, ContentDisallowed, DecodeError, ValueError, TypeError) as error:
            logger.exception("Job %s (%s) cannot be decoded and is dead", job.id, job.task)
            reason = Reason.UNKNOWN_TASK if handler is None else Reason.UNDECODABLE
            bury = partial(transitions.bury_attempt, hold, reason=reason, error=repr(error))
            self.clerk.submit(bury)
            self.release(hold)
            delivery.drop()

    # -- the clerk's side -------------------------------------------------------------------------

    def _write_and_claim(self) -> bool:
        """Do what waits for the ledger; True when nothing did."""
        wrote_nothing = self.ends.write()
        return self.claim() and wrote_nothing

    def claim(self) -> bool:
        """Claim what waits, in one statement; True when there was nothing to do."""
        batch = self._next_batch()
        if not batch:
            return True
        free = self.slots - len(self.held)
        asked = [(d.id, d.token, position >= free) for position, d in enumerate(batch)]
        try:
            answer = transitions.claim(
                asked,
                worker=self.worker,
                last_chances=batch[0].last_chance,
                skip_locked=any(delivery.again_at for delivery in batch),
            )
        except Exception as error:
            # The row is as it was, or claimed without our knowing: the audit finds that.
            self.waiting.extendleft(reversed(batch))
            self.claiming = 0
            if not is_passing(error):
                logger.exception("A claim failed")
            raise
        claimed = {job.id: job for job in answer.claimed}
        try:
            for delivery in batch:
                job = claimed.pop(delivery.id, None)
                if job is not None:
                    hold = Hold(job.id, job.token, self.worker)
                    self.held[job.id] = Held(hold, last_chance=delivery.last_chance)
                    self.ready.append((delivery, job))
                else:
                    why = answer.refused.get(delivery.id, Refusal.STALE)
                    if not self.waiting.keep(delivery, why):
                        drop(delivery, why, self.guard)
            shelve([d for d in batch if answer.refused.get(d.id) == Refusal.PAUSED])
        finally:
            # Whatever happens to one of them: a count that stays up would stop the intake and its audit.
            self.claiming = 0
            if answer.refused or self.waiting.locked:
                self.waiting.count_locked()
        if not self.open:
            # Asked for before the stop, or while the database was away: no slot starts it any more.
            self.close()
        self._deliver_soon()
        return (
            all(reason in WORTH_WAITING for reason in answer.refused.values())
            and not answer.claimed
        )

    def _next_batch(self) -> list[Delivery]:
        another = any(held.last_chance for held in list(self.held.values()))
        batch = self.waiting.take(free=self.slots - len(self.held), another=another)
        self.claiming = len(batch)
        return batch

    def give_back(self, holds: Iterable[Hold], *, cause: str) -> None:
        """Return jobs whose attempts will not be run here, or were killed while they ran, and publish them."""
        many = list(holds)
        for hold in many:
            self.let_go(hold)
        if many:
            self.publish(transitions.hand_back(many, cause=cause, killed=self.killed))
            self.killed.difference_update(many)

    def lose(self, hold: Hold, *, cause: str) -> None:
        """Give back the job of a child that is gone; counted as a loss."""
        ticket = transitions.lose(hold, cause=cause)
        if ticket is not None:
            self.publish([ticket])

    def publish(self, tickets: list[Ticket]) -> None:
        """Put tickets on the broker, or leave them to the relay."""
        if tickets:
            self.app.outbox.publish(tickets)

    def close(self) -> None:
        """Take nothing more, and hand back what no slot has started."""
        self.open = False
        waiting = [job for _, job in self.ready]
        self.ready.clear()
        holds = [self.held[job.id].hold for job in waiting if job.id in self.held]
        if holds:
            self.clerk.submit(lambda: self.give_back(holds, cause="the worker is stopping"))

    def forget(self) -> None:
        """Leave what is not in the ledger to others: what was claimed is theirs, what waits may be fetched again."""
        self.ends.drop()
        while True:
            try:
                self.ready.popleft()[0].drop()
            except IndexError:
                break
        self.waiting.forget()
