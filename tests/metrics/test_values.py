"""What metrics say is what the ledger and the broker hold, at a cost that does not follow how much that is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connections
from django.db.models.functions import Now

from holdfast import Celery
from holdfast.ledger import counts, transitions, workers
from holdfast.ledger.models import Worker
from holdfast.metrics import parts
from holdfast.metrics.collector import Numbers
from holdfast.metrics.parts import PARTS, Part
from holdfast.metrics.readings import Reading
from holdfast.testing.services import RedisServer
from tests.integration.test_idle_statements import counted
from tests.metrics.filled import fill
from tests.metrics.shown import scraped
from tests.rows import hire, new_job
from tests.surroundings import current_app

AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture
def app(redis_server: RedisServer) -> Iterator[Celery]:
    with current_app(redis_server.url) as app:
        yield app


@pytest.fixture
def brokerless() -> Iterator[Celery]:
    with current_app(AWAY) as app:
        yield app


def test_queues_tell_what_waits_by_priority_and_for_how_long(ledger: str, app: Celery) -> None:
    fill(ledger)
    scrape = scraped()
    assert scrape.value("holdfast_queue_jobs", queue="q") == 2
    assert scrape.by_label("holdfast_queue_priority_jobs") == {("q", "0"): 1, ("q", "9"): 1}
    ages = scrape.by_label("holdfast_queue_priority_oldest_seconds")
    assert ages["q", "9"] >= 90 > ages["q", "0"]
    assert scrape.value("holdfast_queue_oldest_seconds", queue="q") == ages["q", "9"]
    assert scrape.value("holdfast_queue_running_jobs", queue="q") == 1
    assert scrape.value("holdfast_queue_workers", queue="q") == 1
    assert scrape.by_label("holdfast_queue_paused") == {("q",): 1}
    assert scrape.value("holdfast_jobs_held") == scrape.value("holdfast_jobs_overdue") == 1
    assert (scrape.value("holdfast_publish_lag_seconds") or 0) >= 90


def test_sums_and_failures_are_told_by_task_queue_and_cause(ledger: str, app: Celery) -> None:
    fill(ledger)
    scrape = scraped()
    ended = scrape.by_label("holdfast_jobs_ended_total")
    assert ended["shop.mail", "succeeded"] == 6
    assert ended["shop.pay", "failed"] == 2
    assert ended["shop.pay", "cancelled"] == 0
    assert scrape.value("holdfast_queue_jobs_ended_total", queue="q", outcome="succeeded") == 6
    assert scrape.value("holdfast_job_retries_total", task="shop.pay") == 4
    assert scrape.value("holdfast_job_run_seconds_sum", task="shop.mail") == pytest.approx(
        3, abs=0.01
    )
    assert scrape.value("holdfast_job_wait_seconds_sum", queue="q") == pytest.approx(0.12, rel=0.5)
    assert scrape.value("holdfast_dead_letters") == 2
    cause = {"task": "shop.pay", "fingerprint": "feedbeef"}
    assert scrape.value("holdfast_cause_failures_total", **cause) == 2
    assert scrape.value("holdfast_jobs_rescued_total") == 3
    # What has not happened yet is 0: the first time is a rise.
    assert scrape.value("holdfast_worker_stalls_total") == 0
    suspected = scrape.by_label("holdfast_messages_suspected_total")
    assert suspected.pop(("forged ticket",)) == 2
    assert set(suspected.values()) == {0}
    assert {**scrape.by_label("holdfast_occurrences_total")} == {
        ("fired",): 5,
        ("skipped",): 0,
        ("missed",): 0,
        ("failed",): 0,
    }


def test_workers_tell_slots_jobs_memory_and_who_is_silent(ledger: str, app: Celery) -> None:
    fill(ledger)
    scrape = scraped()
    states = scrape.by_label("holdfast_workers")
    assert states == {("serving",): 1, ("stopping",): 0, ("stalled",): 0, ("lost",): 0}
    assert scrape.value("holdfast_worker_slots", worker="w", pool="p") == 1
    assert scrape.value("holdfast_worker_jobs", worker="w") == 1
    assert scrape.value("holdfast_worker_memory_bytes", worker="w") == 300 * 2**20
    assert scrape.value("holdfast_worker_largest_process_bytes", worker="w") == 120 * 2**20
    assert (scrape.value("holdfast_worker_beat_age_seconds", worker="w") or -1) >= 0
    assert scrape.value("holdfast_upkeep_held") == 1


def silent(ledger: str) -> float | None:
    return scraped().value("holdfast_workers", state="lost")


def test_worker_whose_lease_ran_out_is_lost_until_it_is_back(ledger: str, app: Celery) -> None:
    frozen = hire()
    rows = Worker.objects.using(ledger)
    rows.filter(id=frozen).update(lease_until=Now() - timedelta(seconds=1))
    assert silent(ledger) == 1
    workers.declare_lost()
    assert silent(ledger) == 1
    back = hire()
    assert silent(ledger) == 0
    workers.retire(back)
    assert silent(ledger) == 1
    rows.filter(id=frozen).update(lost_at=Now() - parts.LOST_WITHIN)
    assert silent(ledger) == 0


def test_worker_that_stopped_in_order_is_not_lost(ledger: str, app: Celery) -> None:
    worker = hire()
    workers.retire(worker)
    Worker.objects.using(ledger).filter(id=worker).update(lease_until=Now() - timedelta(seconds=9))
    assert silent(ledger) == 0


def test_broker_that_is_away_is_told_and_the_ledger_all_the_same(
    ledger: str, brokerless: Celery
) -> None:
    fill(ledger)
    scrape = scraped()
    assert scrape.value("holdfast_broker_up") == 0
    assert scrape.samples("holdfast_broker_memory_bytes") == []
    assert scrape.samples("holdfast_broker_queue_messages") == []
    assert scrape.value("holdfast_queue_jobs", queue="q") == 2


def test_messages_on_the_broker_are_counted_beside_what_the_ledger_holds(
    ledger: str, app: Celery
) -> None:
    client = app.outbox.publisher.client()
    client.flushdb()
    transitions.record([new_job(queue="counted", priority=p) for p in (0, 0, 5)])
    channel = app.outbox.publisher.channel()
    assert channel is not None
    client.rpush(channel.keys_of("counted")[0], "ticket")
    client.rpush(channel.keys_of("counted")[-1], "ticket")
    scrape = scraped()
    assert scrape.value("holdfast_queue_jobs", queue="counted") == 3
    assert scrape.value("holdfast_broker_queue_messages", queue="counted") == 2
    client.flushdb()


def test_statements_do_not_follow_the_number_of_jobs(ledger: str, app: Celery) -> None:
    fill(ledger)
    with counted(ledger) as few:
        scraped()
    transitions.record([new_job(task="shop.mail") for _ in range(300)])
    with counted(ledger) as many:
        scraped()
    assert len(many) == len(few) <= 60, many


def test_scrapes_in_the_same_moment_are_one(ledger: str, app: Celery) -> None:
    fill(ledger)
    source = Numbers(monotonic=lambda: 1000.0)
    first = scraped(source)
    with counted(ledger) as again:
        second = scraped(source)
    assert again == []
    assert first.text == second.text


def test_part_that_fails_takes_nothing_along(ledger: str, app: Celery) -> None:
    def broken() -> list[Reading]:
        raise RuntimeError("a bug")

    scrape = scraped(Numbers([Part(name="broken", read=broken, seconds=1.0), *PARTS]))  # type: ignore[arg-type]
    assert scrape.value("holdfast_metrics_part_up", part="broken") == 0
    assert scrape.value("holdfast_metrics_part_up", part="queues") == 1
    assert scrape.value("holdfast_database_up") == 1


def test_database_that_is_away_is_asked_once_and_nothing_old_is_told(
    ledger: str, app: Celery
) -> None:
    asked = []

    def refuse(execute: object, sql: str, *_: object) -> None:
        asked.append(sql)
        raise OperationalError("it is away")

    now = [0.0]
    source = Numbers(monotonic=lambda: now[0])
    assert scraped(source).value("holdfast_queue_jobs", queue="q") is None
    now[0] += 100
    hire()
    with connections[ledger].execute_wrapper(refuse):
        scrape = scraped(source)
    assert len(asked) == 1
    assert scrape.value("holdfast_database_up") == 0
    assert scrape.value("holdfast_broker_up") == 1
    assert scrape.samples("holdfast_workers") == []
    assert scraped(source).value("holdfast_database_up") == 1


def test_sums_of_an_empty_ledger_say_nothing_wrong(ledger: str, app: Celery) -> None:
    scrape = scraped()
    assert scrape.samples("holdfast_jobs_ended_total") == []
    assert scrape.value("holdfast_jobs_rescued_total") == 0
    assert scrape.value("holdfast_dead_letters") == 0
    counts.add({(counts.RESCUED, ""): 1})
    assert scraped().value("holdfast_jobs_rescued_total") == 1
