"""How much waits in each queue, noted once a minute while anything waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from holdfast.conf import get_settings
from holdfast.ledger import samples, transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Job
from holdfast.ledger.models.samples import QueueSample
from holdfast.upkeep.queue_watch import QueueWatch
from holdfast.upkeep.sampler import Sampler
from tests.rows import new_job


def record(queue: str, count: int, **more: Any) -> None:
    transitions.record([new_job(queue=queue, **more) for _ in range(count)])


def test_minute_has_a_sample_of_each_queue_in_which_jobs_wait(ledger: str) -> None:
    record("mail", 3)
    record("mail", 2, priority=9)
    record("reports", 1)
    record("later", 1, delay_seconds=60.0)
    Job.objects.using(ledger).filter(queue="mail", priority=9).update(
        published_at=Now() - timedelta(seconds=90)
    )
    assert 0 < samples.take() <= 60
    samples.take()  # by somebody else who has the duty meanwhile
    since = dialect().now() - timedelta(minutes=5)
    found = samples.latest(since=since)
    assert {queue: len(rows) <= 2 and rows[0].waiting for queue, rows in found.items()} == {
        "mail": 5,
        "reports": 1,
    }
    assert samples.of_queue("mail", since=since)[0].oldest_seconds == pytest.approx(90, abs=30)


def test_samples_are_taken_by_the_watch_over_queues_once_a_minute(ledger: str) -> None:
    clock = [0.0]
    sampler = Sampler(monotonic=lambda: clock[0])
    record("mail", 1)
    QueueWatch(monotonic=lambda: clock[0]).one_pass()
    assert QueueSample.objects.using(ledger).exists()
    sampler.one_pass()
    with CaptureQueriesContext(connections[ledger]) as asked:
        sampler.one_pass()
    assert not asked, "this minute has its samples"
    clock[0] = 61.0
    with CaptureQueriesContext(connections[ledger]) as asked:
        sampler.one_pass()
    assert asked


def test_old_samples_are_deleted(ledger: str) -> None:
    record("mail", 1)
    Sampler().one_pass()
    QueueSample.objects.using(ledger).update(
        at=Now() - timedelta(days=get_settings().minute_days, hours=1)
    )
    Sampler().one_pass()
    (row,) = QueueSample.objects.using(ledger).all()
    assert row.at > dialect().now() - timedelta(minutes=5)


def test_count_of_a_list_ends_somewhere(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST", 3)
    record("mail", 5)
    samples.take()
    (row,) = QueueSample.objects.using(ledger).all()
    assert row.waiting == 3
