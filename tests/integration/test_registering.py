"""A worker takes its lease again when nobody knows whether it has it: the answer to its first try was lost."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from holdfast.ledger import workers
from holdfast.ledger.models import Worker
from tests.rows import hire


def test_worker_whose_registration_was_not_answered_registers_again_and_beats(ledger: str) -> None:
    worker = hire()

    hire(worker)

    assert workers.renew(worker) is not None
    assert Worker.objects.using(ledger).count() == 1


def test_worker_that_was_lost_before_it_heard_of_its_lease_hears_that(ledger: str) -> None:
    worker = hire()
    Worker.objects.using(ledger).filter(id=worker).update(lease_until=Now() - timedelta(seconds=1))
    assert workers.declare_lost() == 1

    hire(worker)

    assert workers.renew(worker) is None
