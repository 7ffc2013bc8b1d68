"""Jobs found by what they are, page by page in both directions, on both databases."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now

from holdfast.ledger import interventions, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.reads.search import listing as lists
from holdfast.ledger.reads.search import texts, walks
from holdfast.ledger.reads.search.listing import listing, matches
from holdfast.ledger.reads.search.suggestions import names
from holdfast.ledger.reads.search.ways import Sort
from tests.rows import hire
from tests.searched import (
    all_pages,
    cancelled,
    failed,
    found,
    look,
    queued,
    rising_id,
    running,
    succeeded,
)


@pytest.fixture
def worker(ledger: str) -> UUID:
    return hire()


def test_each_filter_finds_what_it_says(worker: UUID) -> None:
    first = succeeded(worker, task="shop.charge", queue="urgent", batch_id="b1", group_id="g1")
    slow = failed(worker, task="shop.refund", error="Timeout('Gateway TIMED out')", root_id=first)
    gone = cancelled(task="mail.send")
    waits = queued(task="mail.Send")
    later = queued(task="mail.send", delay_seconds=3600, hold="eta")
    parked = queued(task="mail.send", hold="limit")
    Job.objects.using("ledger").filter(id=parked).update(state=0, due_at=None)
    runs = running(worker, task="mail.send").id
    every = [runs, parked, later, waits, gone, slow, first]

    assert found() == every
    assert found("state:succeeded") == [first]
    assert found("state:failed,dead") == [slow]
    assert found("state:held") == [parked, later]
    assert found("state:queued,running") == [runs, waits]
    assert found("state:queued,failed") == [waits, slow]
    assert found("task:mail.send") == [runs, parked, later, gone]
    assert found("task:mail.*") == [runs, parked, later, waits, gone]
    assert found("task:mail.S*") == [waits]
    assert found("queue:urgent") == [first]
    assert found("hold:eta") == [later]
    assert found("reason:cancelled") == [gone]
    assert found('error:"timed out"') == [slow]
    assert found("batch:b1") == found("group:g1") == [first]
    assert found(f"root:{first}") == [slow, first]
    assert found(f"id:{slow},{waits},nothing") == [waits, slow]
    assert found(f"id:{slow[:30]}*") == [slow]
    assert found("id:own*") == []
    assert (
        found("worker:w") == found("worker:w*") == found(f"worker:{worker}") == [runs, slow, first]
    )
    assert found("worker:other") == []
    fingerprint = Job.objects.using("ledger").get(id=slow).fingerprint
    assert found(f"fingerprint:{fingerprint}") == [slow]
    assert found("since:1h") == every
    assert found("until:1h") == []
    assert found("finished_since:1h") == [gone, slow, first]
    assert found("finished_until:1h") == []
    assert found("state:failed task:mail.*") == []
    assert found("state:failed task:shop.* queue:q since:1h error:TIMED") == [slow]


def test_a_row_says_what_a_list_shows(worker: UUID) -> None:
    failed(worker, task="shop.charge", error="ValueError('first')\nsecond line")
    queued()
    waits, over = look().rows

    assert (over.state, over.reason, over.error) == ("failed", "error", "ValueError('first')")
    assert over.attempts == over.failures == 1
    assert over.wait_seconds is not None
    assert over.run_seconds is not None
    assert 0 <= over.run_seconds < 60
    assert (waits.state, waits.error, waits.run_seconds) == ("queued", "", None)
    assert waits.wait_seconds is not None
    assert 0 <= waits.wait_seconds < 60


def test_error_is_that_of_the_last_attempt(worker: UUID) -> None:
    job = failed(worker, error="ValueError('first')")
    (ticket,) = interventions.replay_many(
        {job: Job.objects.using("ledger").get(id=job).token}, actor="ada"
    )
    assert (found("error:first"), look().rows[0].error) == ([job], "ValueError('first')")
    (again,) = transitions.claim([(ticket.id, ticket.token, False)], worker=worker).claimed
    assert again.attempt == 2
    assert (found("error:first"), look().rows[0].error) == ([], "")


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("text", ["", "state:failed,cancelled", "task:t queue:q", "batch:b"])
def test_pages_show_each_job_once_in_both_directions(worker: UUID, sort: Sort, text: str) -> None:
    for n in range(4):
        failed(worker, batch_id="b")
        cancelled(batch_id="b", kept_apart=n % 2 == 0)
        if not sort.by_finish and "state" not in text:
            queued(batch_id="b")
    whole = found(text, sort=sort)
    assert len(whole) == (8 if sort.by_finish or "state" in text else 12)

    wanted = texts.read(text)
    page = listing(wanted, sort=sort, limit=3)
    seen = [row.id for row in page.rows]
    assert page.previous == ""
    while page.next:
        page = listing(wanted, sort=sort, limit=3, cursor=page.next)
        seen += [row.id for row in page.rows]
    assert seen == whole
    back: list[str] = []
    while page.previous:
        page = listing(wanted, sort=sort, limit=3, cursor=page.previous)
        back = [row.id for row in page.rows] + back
    last_page = len(whole) % 3 or 3
    assert back == whole[:-last_page]
    assert page.next


def test_jobs_that_come_meanwhile_shift_no_page(ledger: str) -> None:
    old = [queued() for _ in range(6)]
    first = look(limit=2)
    new = [queued() for _ in range(3)]
    second = listing(texts.read(""), limit=2, cursor=first.next)
    assert [row.id for row in second.rows] == [old[3], old[2]]
    before = listing(texts.read(""), limit=2, cursor=second.previous)
    assert [row.id for row in before.rows] == [old[5], old[4]]
    front = listing(texts.read(""), limit=4, cursor=before.previous)
    assert [row.id for row in front.rows] == [new[2], new[1], new[0], old[5]]
    assert front.previous == ""


def test_a_page_before_the_first_is_the_first(ledger: str) -> None:
    ids = [queued() for _ in range(4)]
    second = listing(texts.read(""), limit=3, cursor=look(limit=3).next)
    assert [row.id for row in second.rows] == ids[:1]
    Job.objects.using(ledger).filter(id=ids[3]).delete()
    first = listing(texts.read(""), limit=3, cursor=second.previous)
    assert [row.id for row in first.rows] == [ids[2], ids[1], ids[0]]
    assert (first.previous, first.next) == ("", "")


def test_ends_at_one_moment_are_told_apart_by_their_ids(worker: UUID, ledger: str) -> None:
    for n in range(7):
        cancelled(kept_apart=n % 3 == 0)
        failed(worker)
    Job.objects.using(ledger).update(finished_at=Now())
    for sort in (Sort.LAST_FINISHED, Sort.FIRST_FINISHED):
        whole = found(sort=sort)
        assert len(set(whole)) == 14
        assert all_pages("", limit=3, sort=sort) == whole


def test_a_look_whose_time_is_over_goes_on_from_there(
    worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "FIRST_ROWS", 4)
    rare = [succeeded(worker, task="rare")]
    for n in range(20):
        succeeded(worker, kept_apart=n % 3 == 0)
    rare.append(succeeded(worker, task="rare"))
    for sort in (Sort.NEWEST, Sort.LAST_FINISHED):
        page = look("task:rare", sort=sort, budget_seconds=0)
        assert [row.id for row in page.rows] == [rare[1]]
        assert page.looked_to is not None
        assert page.looked_to > page.now - timedelta(minutes=1)
        assert page.next
        assert all_pages("task:rare", limit=50, sort=sort, budget_seconds=0) == rare[::-1]
    assert look("task:rare", budget_seconds=60).looked_to is None


def test_sets_that_are_too_many_to_be_sorted_are_gone_through(
    worker: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.ledger.reads.search import parts

    texts_ = ["state:queued", "state:failed", "batch:b", "state:failed batch:b queue:q"]
    for _ in range(3):
        failed(worker, batch_id="b")
        queued(batch_id="b")
        succeeded(worker)
    before = {(text, sort): found(text, sort=sort) for text in texts_ for sort in Sort}
    monkeypatch.setattr(parts, "FEW", 2)
    monkeypatch.setattr(walks, "FIRST_ROWS", 2)
    for (text, sort), ids in before.items():
        assert all_pages(text, limit=2, sort=sort) == ids, (text, sort)


def test_ids_of_your_own_are_found_in_every_order(worker: UUID) -> None:
    own = [failed(worker, id=name) for name in ("order-7", "Zeta", "änderung", "order_7", "0")]
    ours = failed(worker)
    for sort in Sort:
        for text in ("", "state:failed", f"id:{','.join(own)},{ours}"):
            whole = all_pages(text, limit=2, sort=sort)
            assert sorted(whole) == sorted([*own, ours]), (sort, text)
    assert found("id:order*") in (["order-7", "order_7"], ["order_7", "order-7"])
    assert found("id:Ze*") == ["Zeta"]
    assert found("id:ze*") == []


def test_spans_of_time_leave_out_what_ids_of_other_times_have(ledger: str) -> None:
    now = [queued() for _ in range(2)]
    old = queued(id="00000000-0000-7000-8000-000000000000")
    assert found("since:1h") == now[::-1]
    Job.objects.using(ledger).filter(id=old).update(recorded_at=Now() - timedelta(hours=2))
    assert found("until:1h") == [old]


def test_all_that_match_are_given_in_batches_with_their_tokens(worker: UUID) -> None:
    ids = [failed(worker) for _ in range(5)]
    queued()
    wanted = texts.read("state:failed")
    tokens: dict[str, int] = {}
    more = None
    while True:
        some = matches(wanted, after=more, limit=2)
        tokens |= some.tokens
        if (more := some.more) is None:
            break
    assert tokens == dict(Job.objects.using("ledger").filter(id__in=ids).values_list("id", "token"))


def test_names_in_use_are_suggested(worker: UUID) -> None:
    queued(task="shop.b", queue="mail")
    queued(task="shop.a", queue="mail")
    known = names()
    assert (known.tasks, known.queues, known.workers) == (["shop.a", "shop.b"], ["mail"], ["w"])


def test_a_list_costs_the_same_statements_with_ten_jobs_and_with_a_page_full(
    worker: UUID, ledger: str
) -> None:
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    def statements(text: str) -> int:
        with CaptureQueriesContext(connections[ledger]) as captured:
            look(text)
        return len(captured)

    queued()
    failed(worker)
    few = {text: statements(text) for text in ("", "state:failed", "task:t", "state:queued")}
    for _ in range(60):
        queued(id=rising_id())
    failed(worker)
    assert {text: statements(text) for text in few} == few
    assert max(few.values()) <= 7
    assert lists.PAGE == 50
