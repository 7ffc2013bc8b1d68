"""All that jobs are found by, an operation selects by: each key of the search, small and large, exactly those."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from holdfast import Celery, operations
from holdfast.ledger import operations as ledger_operations
from holdfast.ledger import slices, walks
from holdfast.ledger.models import Job
from holdfast.ledger.models.operations import Operation
from holdfast.ledger.reads.search import plans, texts
from holdfast.ledger.reads.search.filters import KEYS
from holdfast.ledger.states import FINAL, OPEN, State
from holdfast.ledger.walks import END, Walk
from holdfast.testing.services import RedisServer
from tests import members
from tests.rows import hire
from tests.searched import cancelled, failed, found, queued, running, succeeded
from tests.surroundings import shop_app

# One for each key; {id} is a job that failed, {worker} who ran it.
WORDS = {
    "state": "state:failed,queued",
    "task": "task:shop.*",
    "queue": "queue:urgent",
    "worker": "worker:{worker}",
    "since": "since:1h",
    "until": "until:1m",
    "finished_since": "finished_since:1h",
    "finished_until": "finished_until:1m",
    "error": 'error:"timed out"',
    "reason": "reason:cancelled",
    "hold": "hold:eta",
    "fingerprint": "fingerprint:{fingerprint}",
    "batch": "batch:b1",
    "group": "group:g1",
    "root": "root:{id}",
    "correlation": "correlation:c-1",
    "id": "id:{id},nothing",
}


@pytest.fixture
def app(ledger: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def shop(ledger: str) -> Callable[[str], str]:
    """Jobs of every kind; returns what fills in the words."""
    worker: UUID = hire()
    slow = failed(worker, task="shop.refund", error="Timeout('Gateway TIMED out')", batch_id="b1")
    failed(worker, task="mail.send", group_id="g1", root_id=slow)
    succeeded(worker, task="shop.charge", queue="urgent", batch_id="b1", group_id="g1")
    cancelled(task="mail.send", batch_id="b1")
    queued(task="shop.charge", queue="urgent", root_id=slow, group_id="g1", batch_id="b1")
    queued(task="mail.send", delay_seconds=3600, hold="eta", batch_id="b1", group_id="g1")
    queued(task="mail.send", headers=json.dumps({"correlation_id": "c-1"}))
    running(worker, task="shop.charge", batch_id="b1", root_id=slow)
    print_of = Job.objects.using("ledger").get(id=slow).fingerprint

    def filled(words: str) -> str:
        return words.format(id=slow, worker=worker, fingerprint=print_of)

    return filled


def walked(words: str, states: frozenset[State]) -> list[str]:
    """Return the jobs that an operation about these states would come to."""
    wanted = texts.read(words)
    id = ledger_operations.ask("cancel", filter=wanted.flat(), options={}, actor="ada")
    row = Operation.objects.using("ledger").get(id=id)
    named = frozenset(wanted.states)
    walk = Walk(id, wanted, states & named if named else states, asked_at=row.asked_at)
    seen, cursor = list[str](), ""
    for _ in range(100):
        page, cursor = walk.next_page(cursor)
        seen += [one.id for one in page]
        if cursor == END:
            return seen
    raise AssertionError("it does not come to an end")


def test_each_key_of_the_search_is_tried() -> None:
    assert WORDS.keys() == KEYS.keys()


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("key", [key for key in WORDS if key != "correlation"])
def test_operation_comes_to_what_the_search_finds(
    shop: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, key: str, *, large: bool
) -> None:
    monkeypatch.setattr(walks, "SLICE", 2)
    monkeypatch.setattr(walks, "WINDOW", 3)
    if large:
        # As if a batch, a group or a workflow had more members than are read at once.
        monkeypatch.setattr(plans, "are_few", lambda _rows, *_order: False)
    words = shop(WORDS[key])
    by_state = dict(Job.objects.using("ledger").values_list("id", "state"))
    expected = found(words)
    for states in (FINAL, OPEN, frozenset({State.FAILED, State.DEAD})):
        seen = walked(words, frozenset(states))
        assert len(seen) == len(set(seen)), "each once"
        assert set(seen) == {id for id in expected if by_state[id] in states}, states


def test_operation_selects_by_correlation_id(app: Celery, shop: Callable[[str], str]) -> None:
    words = shop(WORDS["correlation"])
    trial = operations.try_out("cancel", words)
    assert trial.count == 1
    (mine,) = [sample.id for sample in trial.samples]
    operations.ask("cancel", words, actor="ada")
    operations.run(app)
    (row,) = operations.listed()
    assert (row.state, row.done) == ("done", 1)
    assert Job.objects.using("ledger").get(id=mine).state == State.CANCELLED


def test_large_batch_is_walked_between_its_members_and_not_over_the_whole_table(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "WINDOW", 10)
    monkeypatch.setattr(plans, "are_few", lambda _rows, *_order: False)
    members.members("a", 200, State.SUCCEEDED)
    mine = members.members("m", 15, State.QUEUED, batch_id="b")
    members.members("z", 200, State.SUCCEEDED)
    operations.ask("cancel", "batch:b", actor="ada")
    count = 0
    while slices.work(lambda _: None) is not None:
        count += 1
    (row,) = operations.listed()
    assert (row.state, row.done) == ("done", len(mine))
    assert count <= 3, "fifteen jobs are two windows of ten, and not forty"


def test_dead_letters_of_a_batch_are_walked_by_its_members_and_not_by_all_ends(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "WINDOW", 10)
    members.members("a", 200, State.FAILED)
    mine = members.members("m", 15, State.FAILED, batch_id="b")
    operations.ask("discard", "batch:b", actor="ada")
    count = 0
    while slices.work(lambda _: None) is not None:
        count += 1
    (row,) = operations.listed()
    assert (row.state, row.done) == ("done", len(mine))
    assert count <= 2
