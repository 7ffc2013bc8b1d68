"""Whom an admission lets in, asked of the ledger itself: rounds of keys, weights, rates, and who is gone."""

from __future__ import annotations

import threading
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from holdfast.ledger import interventions, transitions
from holdfast.ledger.limiting import admission, limits, lines
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.models import Job
from holdfast.ledger.models.limits import Place
from holdfast.ledger.records import Ticket, Use
from holdfast.ledger.states import State
from holdfast.worker import admissions
from tests.limited import admit, bound, places, run, state, wait
from tests.rows import hire, new_job


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def test_keys_take_turns_however_many_one_of_them_has(worker: UUID) -> None:
    bound(concurrency=6)
    for n in range(100):
        wait(f"big{n:03}", Use("l", "big"))
    for n in range(2):
        wait(f"small{n}", Use("l", "small"))
        wait(f"tiny{n}", Use("l", "tiny"))
    first = admit()
    assert first == ["big000", "small0", "tiny0", "big001", "small1", "tiny1"]
    order = []
    for _ in range(3):
        for id in first:
            transitions.succeed(run(worker, id), stored=None)
        first = admit()
        order += first
    assert order == [f"big{n:03}" for n in range(2, 20)]


def test_turns_go_on_where_the_last_admission_ended(worker: UUID) -> None:
    bound(concurrency=1)
    for n in range(3):
        for key in "xyz":
            wait(f"{key}{n}", Use("l", key))
    order = []
    for _ in range(9):
        (id,) = admit()
        order.append(id)
        transitions.succeed(run(worker, id), stored=None)
    assert order == ["x0", "y0", "z0", "x1", "y1", "z1", "x2", "y2", "z2"]


def test_key_that_is_full_is_passed_over(worker: UUID) -> None:
    bound(concurrency=3, per_key=1)
    for id in ("x0", "x1", "x2", "y0"):
        wait(id, Use("l", id[0]))
    assert admit() == ["x0", "y0"]
    transitions.succeed(run(worker, "x0"), stored=None)
    assert admit() == ["x1"]


def test_limit_by_key_alone_looks_at_the_key_that_has_changed(worker: UUID) -> None:
    bound(per_key=1)
    jobs = [
        new_job(f"{k:04}{n}", hold="limit", limits=(Use("l", f"{k:04}"),))
        for k in range(300)
        for n in "ab"
    ]
    transitions.record(jobs)
    assert len(admit()) == 300
    transitions.succeed(run(worker, "0250a"), stored=None)
    left = lines.leave(["0250a"])
    with CaptureQueriesContext(connections["ledger"]) as asked:
        assert admit(keys={key for _, key in left}) == ["0250b"]
    assert not any("WITH RECURSIVE" in query["sql"] for query in asked)


def test_higher_priority_goes_first_then_the_older(worker: UUID) -> None:
    bound(concurrency=1)
    wait("a")
    wait("b", priority=9)
    wait("c", priority=9)
    order = []
    for _ in range(3):
        (id,) = admit()
        order.append(id)
        transitions.succeed(run(worker, id), stored=None)
    assert order == ["b", "c", "a"]


def test_weights_are_summed_and_nobody_overtakes_the_heavy_one(worker: UUID) -> None:
    bound(concurrency=4)
    wait("a", Use("l", weight=3))
    wait("b", Use("l", weight=2))
    wait("c", Use("l", weight=1))
    assert admit() == ["a"]
    transitions.succeed(run(worker, "a"), stored=None)
    assert admit() == ["b", "c"]


def test_job_heavier_than_the_limit_runs_alone(worker: UUID) -> None:
    bound(concurrency=4)
    wait("a")
    wait("b", Use("l", weight=100))
    wait("c")
    assert admit() == ["a"]
    transitions.succeed(run(worker, "a"), stored=None)
    assert admit() == ["b"]
    transitions.succeed(run(worker, "b"), stored=None)
    assert admit() == ["c"]


def test_job_of_two_limits_waits_where_it_is_refused(worker: UUID) -> None:
    bound("all", concurrency=3)
    bound("x", concurrency=1)
    for n in range(50):
        wait(f"x{n:02}", Use("all"), Use("x"))
    wait("y", Use("all"))
    assert admit("all") == ["x00", "y"]
    assert places("x01") == {"all": Place.AWAY, "x": Place.WAITING}
    assert admit("all") == []
    with CaptureQueriesContext(connections["ledger"]) as asked:
        assert admit("all") == []
    assert len(asked) == 1, "nobody waits there any more, so nothing is looked through"
    transitions.succeed(run(worker, "x00"), stored=None)
    assert admit("x") == ["x01"]


def test_cancelled_and_late_jobs_are_passed_over_and_take_nothing(worker: UUID) -> None:
    bound(concurrency=2)
    wait("a")
    wait("late", expires_in_seconds=-1.0)
    wait("b")
    wait("c")
    interventions.cancel(["a"], running=False)
    assert admit() == ["b", "c"]
    assert state("late") == (State.EXPIRED, "expired")
    assert state("a")[0] == State.CANCELLED


def test_rate_gives_a_burst_and_then_its_pace(worker: UUID) -> None:
    bound(rate="1/h", burst=3)
    for id in "abcde":
        wait(id)
    answer = admission.admit("l", stated=lambda _: None)
    assert [ticket.id for ticket in answer.tickets] == ["a", "b", "c"]
    assert answer.again_in is not None
    assert 3000 < answer.again_in <= 3600
    for id in "abc":
        transitions.succeed(run(worker, id), stored=None)
    assert admit() == []
    # An hour later by the ledger.
    from datetime import timedelta

    from django.db.models import F

    from holdfast.ledger.models.limits import Limit

    rows = Limit.objects.using("ledger").filter(name="l")
    rows.update(refilled_at=F("refilled_at") - timedelta(hours=1))
    assert admit() == ["d"]
    # A clock that was set back gives nothing, and goes on from there.
    rows.update(refilled_at=F("refilled_at") + timedelta(hours=5))
    assert admit() == []
    rows.update(refilled_at=F("refilled_at") - timedelta(hours=1))
    assert admit() == ["e"]


def test_no_more_than_a_burst_is_let_in_that_has_not_begun(worker: UUID) -> None:
    bound(rate="1000000/s", burst=2)
    for id in "abcd":
        wait(id)
    assert admit() == ["a", "b"]
    assert admit() == []
    run(worker, "a")
    assert admit() == ["c"]


def test_skipping_limit_cancels_what_does_not_fit(worker: UUID) -> None:
    bound(per_key=1, skip=True)
    for id in ("x0", "x1", "y0"):
        wait(id, Use("l", id[0]))
    assert admit() == ["x0", "y0"]
    assert state("x1") == (State.CANCELLED, "skipped")
    transitions.succeed(run(worker, "x0"), stored=None)
    wait("x2", Use("l", "x"))
    assert admit() == ["x2"]


def test_limit_nobody_knows_lets_all_go_on(worker: UUID) -> None:
    wait("a", Use("ghost"))
    assert admit("ghost") == ["a"]


def test_bounds_set_at_run_time_hold_until_the_code_is_to_hold_again(worker: UUID) -> None:
    bound(concurrency=1)
    for id in "abc":
        wait(id)
    assert admit() == ["a"]
    assert limits.override("l", Bounds(concurrency=2), actor="ada")
    bound(concurrency=1)
    assert admit() == ["b"]
    assert limits.override("l", None, actor="ada")
    transitions.succeed(run(worker, "a"), stored=None)
    assert admit() == []


def test_long_line_is_let_in_without_looking_through_it(worker: UUID) -> None:
    bound(concurrency=10)
    transitions.record(
        [new_job(f"{n:05}", hold="limit", limits=(Use("l", str(n % 5)),)) for n in range(300)]
    )
    ids, asked_for = admit(), []
    left = 290
    while ids:
        for id in ids:
            transitions.succeed(run(worker, id), stored=None)
        lines.leave(ids)
        with CaptureQueriesContext(connections["ledger"]) as asked:
            ids = admit()
        asked_for.append(len(asked))
        left -= len(ids)
    assert left == 0
    assert max(asked_for) <= 16


def test_ended_jobs_are_set_aside_where_nobody_told(worker: UUID) -> None:
    bound(concurrency=5)
    for id in "abc":
        wait(id)
    admit()
    transitions.succeed(run(worker, "a"), stored=None)
    assert lines.leave_behind(limit=10) == 1
    assert [places(id)["l"] for id in "abc"] == [Place.AWAY, Place.ADMITTED, Place.ADMITTED]


def test_ticket_of_a_job_put_back_into_a_line_is_not_published(worker: UUID) -> None:
    from holdfast.tickets import to_publish

    bound(concurrency=1)
    wait("a")
    admit()
    transitions.fail(run(worker, "a"), stored=None, error="e")
    ticket = interventions.replay("a")
    assert isinstance(ticket, Ticket)
    assert to_publish([ticket]) == []


def test_admission_waits_for_no_transaction_of_a_project(ledger: str) -> None:
    if connections[ledger].vendor == "sqlite":
        pytest.skip("there is one writer, and no row is locked")
    hire()
    bound(concurrency=1)
    wait("a")
    inside, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(using=ledger):
                interventions.cancel(["a"], running=False)
                inside.set()
                over.wait(60)
                transaction.set_rollback(True, using=ledger)
        finally:
            connections[ledger].close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(60)
    with CaptureQueriesContext(connections[ledger]) as asked:
        assert admit() == []
    assert places("a") == {"l": Place.WAITING}
    assert len(asked) < 20, "it is not asked for again and again"
    over.set()
    holder.join()
    assert admit() == ["a"]


def test_many_who_admit_at_once_let_in_no_more_than_fits(ledger: str) -> None:
    if connections[ledger].vendor == "sqlite":
        pytest.skip("there is one writer")
    bound("all", concurrency=3)
    bound("x", concurrency=2)
    bound("y", per_key=1)
    own = {0: (Use("x"),), 1: (Use("y", "k"),), 2: ()}
    transitions.record(
        [new_job(f"{n:03}", hold="limit", limits=(Use("all"), *own[n % 3])) for n in range(120)]
    )
    worker = hire()
    too_many: list[int] = []
    errors: list[BaseException] = []
    begin = threading.Barrier(5)

    def work(number: int) -> None:
        jobs = Job.objects.using(ledger)
        under_way = jobs.filter(state__in=limits.UNDER_WAY)
        try:
            begin.wait(60)
            while jobs.filter(state=State.HELD).exists() or under_way.exists():
                for name in ("all", "x", "y")[number % 3 :]:
                    for ticket in admission.admit(name, stated=lambda _: None).tickets:
                        too_many.append(under_way.count())
                        assert transitions.succeed(run(worker, ticket.id), stored=None)
        except BaseException as error:  # noqa: BLE001  # told by the test below
            errors.append(error)
        finally:
            connections[ledger].close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(too_many) == 120
    assert max(too_many) == 3


def test_ends_are_asked_for_more_seldom_where_nobody_waits(
    worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admissions, "Loop", Mock())
    let_in: list[Ticket] = []
    asked = admissions.Admissions(let_in.extend, {})
    bound(concurrency=1)
    for n in range(2):
        wait(f"job{n}", Use("l"))
    (first,) = admit()
    transitions.succeed(run(worker, first), stored=None)
    asked.ended(first, ["l"])
    assert asked.one_pass() == admissions.SPACING_SECONDS
    assert [ticket.id for ticket in let_in] == ["job1"]
    transitions.succeed(run(worker, "job1"), stored=None)
    asked.ended("job1", ["l"])
    assert asked.one_pass() == admissions.QUIET_SECONDS
    assert asked.one_pass() == admissions.IDLE_SECONDS
