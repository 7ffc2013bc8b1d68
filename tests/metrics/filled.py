"""A ledger in which something of everything is there, so that each metric has a value."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from holdfast.ledger import counts, failures, minutes, pauses, schedulers, transitions, workers
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.records import Use
from holdfast.ledger.schedules import Standing, begin
from holdfast.ledger.states import Outcome, State
from holdfast.upkeep.minutes import MinuteKeeper
from holdfast.upkeep.recorded import RecordedKeeper
from tests.finished import finished
from tests.integration.test_minutes import last_full
from tests.limited import bound, wait
from tests.rows import hire, new_job

WAITED = timedelta(seconds=90)


def fill(ledger: str) -> UUID:
    """Fill it; return the worker."""
    RecordedKeeper().one_pass()
    worker = hire()
    workers.take_duty(workers.UPKEEP, worker, seconds=3600)
    workers.note_memory(worker, together=300 * 2**20, largest=120 * 2**20)
    first, _, urgent, held = transitions.record(
        [
            new_job(task="shop.mail"),
            new_job(task="shop.mail"),
            new_job(task="shop.mail", priority=9),
            new_job(task="shop.mail", queue="later"),
        ]
    )
    transitions.claim([(first.id, first.token, False)], worker=worker)
    rows = Job.objects.using(ledger)
    rows.filter(id=urgent.id).update(published_at=Now() - WAITED)
    rows.filter(id=held.id).update(state=State.HELD, due_at=Now() - WAITED, published_at=None)
    finished(6, at=last_full(), task="shop.mail", queue="q", wait=0.02, run=0.5)
    lost = finished(2, at=last_full(), task="shop.pay", state=State.FAILED, attempts=3)
    rows.filter(id__in=lost).update(fingerprint="feedbeef")
    for job in lost:
        Attempt.objects.using(ledger).create(
            job=job,
            number=3,
            token=7,
            outcome=Outcome.FAILED,
            ended_at=minutes.now(),
            error="Declined",
            fingerprint="feedbeef",
            uncounted=True,
        )
    failures.count(limit=100)
    MinuteKeeper().one_pass()
    counts.add({(name, "forged ticket"): 2 for name in (counts.SUSPECTED,)})
    counts.add({(counts.DECIDED, "fired"): 5, (counts.RESCUED, ""): 3})
    pauses.pause(pauses.QUEUE, "q", actor="ada", reason="")
    bound("shop/exports", concurrency=3)
    wait("limited", Use("shop/exports", ""))
    schedulers.tell(UUID(int=1), host="h", pid=1, leads=True)
    begin({"nightly": Standing(timing="t", anchor_at=minutes.now(), decided_until=minutes.now())})
    return worker
