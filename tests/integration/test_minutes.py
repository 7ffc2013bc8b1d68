"""What became of jobs, minute by minute: counted once, whoever counts and however often, at a small bounded cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.db.models import QuerySet
from django.test import override_settings

from holdfast.ledger import interventions, minutes, tallies
from holdfast.ledger.histograms import quantile
from holdfast.ledger.models import Job, Minute
from holdfast.ledger.reads import rates
from holdfast.ledger.states import Reason, State
from holdfast.ledger.tallies import Tally
from holdfast.upkeep.minutes import MOST, MinuteKeeper
from holdfast.upkeep.pruner import Pruner
from tests.finished import finished
from tests.integration.test_idle_statements import counted

MINUTE = timedelta(minutes=1)


def last_full(back: int = 1) -> datetime:
    """Return the beginning of a minute that is over and settled, so many before the latest such."""
    over = minutes.begin_of(minutes.now() - minutes.SETTLED)
    return over - back * MINUTE


def row(ledger: str, *, task: str = "", queue: str = "") -> Minute:
    return Minute.objects.using(ledger).get(task=task, queue=queue)


def tally(row: Minute) -> Tally:
    found = minutes.added(
        row.at, row.at + MINUTE, task=row.task, queue=row.queue, step=lambda at: at
    )
    return found[row.at]


def rows(ledger: str) -> QuerySet[Minute]:
    return Minute.objects.using(ledger).order_by("at", "task", "queue")


@pytest.fixture
def keeper() -> MinuteKeeper:
    return MinuteKeeper()


def test_minute_tells_how_jobs_ended_and_how_long_they_took(
    ledger: str, keeper: MinuteKeeper
) -> None:
    at = last_full() + timedelta(seconds=20)
    finished(3, at=at, task="mail", queue="slow", wait=2.0, run=0.5)
    finished(1, at=at, task="mail", queue="fast", state=State.FAILED, attempts=4)
    finished(1, at=at, task="shop", state=State.DEAD, reason=Reason.POISON)
    finished(2, at=at, task="shop", state=State.CANCELLED, attempts=0)
    finished(1, at=at, task="shop", state=State.EXPIRED, attempts=0)
    finished(1, at=at, task="kept", kept_apart=True)
    finished(1, at=at, task="kept too", kept_apart=True)
    keeper.one_pass()
    whole = row(ledger)
    assert (whole.succeeded, whole.failed, whole.cancelled, whole.retried) == (5, 2, 3, 3)
    assert whole.at == minutes.begin_of(at)
    mail = tally(row(ledger, task="mail"))
    assert (mail.succeeded, mail.failed, mail.runs.total()) == (3, 1, 4)
    assert mail.run_seconds == pytest.approx(1.6, abs=0.01)
    assert row(ledger, queue="slow").succeeded == 3
    # Nobody knows how long an attempt ran that was lost, or never was.
    assert tally(row(ledger, task="shop")).runs.total() == 0
    assert row(ledger, task="kept too").succeeded == 1
    slow = tally(row(ledger, queue="slow"))
    assert 1.5 < (quantile(slow.waits, 0.5) or 0.0) < 2.6


def test_neither_a_minute_that_is_not_over_nor_the_next_one_is_counted(
    ledger: str, keeper: MinuteKeeper
) -> None:
    at = last_full()
    finished(1, at=at)
    finished(1, at=at + MINUTE - timedelta(milliseconds=1))
    finished(1, at=at + MINUTE)
    finished(1, at=minutes.now())
    keeper.one_pass()
    assert list(rows(ledger).filter(task="", queue="").values_list("at", "succeeded")) == [(at, 2)]


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Kathmandu"])
@pytest.mark.parametrize("apart", [False, True])
def test_zone_of_the_site_moves_no_minute(
    ledger: str, keeper: MinuteKeeper, zone: str, *, apart: bool
) -> None:
    at = last_full(2)
    with override_settings(TIME_ZONE=zone):
        finished(4, at=at, kept_apart=apart)
        keeper.one_pass()
        assert rates.series().whole.succeeded == 4
    assert (row(ledger).at, row(ledger).succeeded) == (at, 4)


def test_minute_is_counted_once_by_however_many(ledger: str) -> None:
    at = last_full()
    finished(2, at=at)
    MinuteKeeper().one_pass()
    before = list(rows(ledger).values())
    late = minutes.ended_between(at, at + MINUTE)
    finished(5, at=at, task="late")
    MinuteKeeper().one_pass()
    # Another one that has counted meanwhile, and more: nothing of it is written.
    assert not minutes.write(at, minutes.ended_between(at, at + MINUTE) | late)
    assert list(rows(ledger).values()) == before


def test_keeper_that_dies_while_it_writes_leaves_the_minute_to_the_next(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(2, at=last_full())
    real = tallies.added_up

    def torn(*args: Any) -> Any:
        found = real(*args)
        # The last row cannot be written: those before it must not stay.
        return {**found, ("x" * 300, ""): None}

    with monkeypatch.context() as patch:
        patch.setattr(tallies, "added_up", torn)
        with pytest.raises((AttributeError, IntegrityError)):
            MinuteKeeper().one_pass()
    assert not rows(ledger).exists()
    MinuteKeeper().one_pass()
    assert row(ledger).succeeded == 2


def test_keeper_goes_on_where_the_last_one_stopped_a_few_minutes_at_a_time(
    ledger: str, keeper: MinuteKeeper
) -> None:
    latest = last_full()
    for back in range(12):
        finished(1, at=latest - back * MINUTE)
    finished(1, at=minutes.now() - timedelta(hours=3))
    assert keeper.one_pass() == 0.0
    assert rows(ledger).filter(task="", queue="").count() == MOST
    other = MinuteKeeper()
    pauses = [other.one_pass() for _ in range(4)]
    assert pauses[0] == 0.0
    assert 0 < pauses[-1] <= 70
    # Not the one of three hours ago.
    assert rows(ledger).filter(task="", queue="").count() in {12, 13}


def test_minute_in_which_nothing_ended_costs_one_statement(
    ledger: str, keeper: MinuteKeeper
) -> None:
    keeper.one_pass()
    with counted(ledger) as statements:
        pause = keeper.one_pass()
    assert len(statements) == 1, statements
    assert pause >= 30
    assert not rows(ledger).exists()


def test_busy_minute_costs_as_much_with_many_jobs_as_with_few(ledger: str) -> None:
    asked = []
    for back, jobs in ((2, 3), (1, 300)):
        finished(jobs, at=last_full(back))
        keeper = MinuteKeeper()
        keeper.one_pass()
        finished(jobs, at=minutes.now() - 2 * MINUTE)
        Minute.objects.using(ledger).all().delete()
        with counted(ledger) as statements:
            MinuteKeeper().one_pass()
        asked.append(len(statements))
    assert max(asked) <= 14, asked


def test_job_that_is_discarded_does_not_end_again(ledger: str, keeper: MinuteKeeper) -> None:
    (dead,) = finished(1, at=last_full(3), state=State.FAILED)
    token = Job.objects.using(ledger).values_list("token", flat=True).get(id=dead)
    assert interventions.discard({dead: token}, actor="ada")
    Job.objects.using(ledger).filter(id=dead).update(finished_at=last_full())
    keeper.one_pass()
    assert not rows(ledger).exists()


def test_clock_that_was_set_back_does_not_stop_the_counting(
    ledger: str, keeper: MinuteKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.one_pass()
    ahead = minutes.now() + timedelta(hours=5)
    minutes.write(minutes.begin_of(ahead), {})
    keeper._until = minutes.begin_of(ahead)
    at = last_full()
    finished(1, at=at)
    assert keeper.one_pass() == 0.0
    keeper.one_pass()
    assert row_at(ledger, at).succeeded == 1


def row_at(ledger: str, at: datetime) -> Minute:
    return Minute.objects.using(ledger).get(at=at, task="", queue="")


def test_old_minutes_are_pruned(ledger: str) -> None:
    now = minutes.begin_of(datetime.now(UTC))
    for days in (9, 7, 0, -30):
        minutes.write(now - timedelta(days=days), {})
    Pruner(results_kept_seconds=None).one_pass()
    left = list(rows(ledger).values_list("at", flat=True))
    assert left == [now - timedelta(days=7), now]


@contextmanager
def plans(alias: str) -> Iterator[list[str]]:
    """Collect how SQLite goes about each statement."""
    found: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with connections[alias].cursor() as cursor:
            found.extend(
                line[3]
                for line in cursor.cursor.execute(
                    f"EXPLAIN QUERY PLAN {sql.replace('%s', '?').replace('%%', '%')}", params
                ).fetchall()
            )
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(note):
        yield found


def test_no_statement_reads_the_table_of_jobs_on_sqlite_either(ledger: str) -> None:
    if connections[ledger].vendor != "sqlite":
        pytest.skip("PostgreSQL's plans are in test_ledger_plans")
    with plans(ledger) as found:
        minutes.look(last_full())
        minutes.ended_between(last_full(), last_full() + MINUTE)
    read = [line for line in found if "holdfast_job" in line]
    assert len(read) >= 9
    assert all("USING INDEX" in line or "USING COVERING INDEX" in line for line in read), read
    within = [line for line in read if "finished_at" in line]
    assert len(within) >= 6, read
