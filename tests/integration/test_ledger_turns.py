"""Leases on SQLite under many writers: its lock is not fair, and yet a renewal is in time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.db.models.functions import Now
from pytest_django import DjangoDbBlocker

from holdfast.ledger import workers
from holdfast.ledger.connections import turns
from holdfast.ledger.models import Worker
from holdfast.upkeep.loop import Loop
from tests.eventually import eventually
from tests.ledgers import empty, ledger_in, sqlite_url

HELD, FREE = 0.03, 0.003
RENEWALS = 30


@pytest.fixture(scope="module")
def turns_ledger(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """A ledger on SQLite for this module."""
    url = sqlite_url(tmp_path_factory.mktemp("turns"))
    with django_db_blocker.unblock(), ledger_in(url, alias="turns") as alias:
        yield alias


@pytest.fixture
def on_sqlite(turns_ledger: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The alias of a ledger on SQLite that is empty at the start of the test."""
    with django_db_blocker.unblock():
        empty(turns_ledger)
        yield turns_ledger


@contextmanager
def other_writer(alias: str) -> Iterator[sqlite3.Connection]:
    """Open a connection as another process would; it holds the writer until its transaction ends."""
    other = sqlite3.connect(
        connections[alias].settings_dict["NAME"],
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        yield other
    finally:
        other.close()


@contextmanager
def writing_all_the_time(alias: str) -> Iterator[None]:
    """Hold the writer again and again, and leave only short gaps, as many busy writers do together."""
    over = threading.Event()

    def write(other: sqlite3.Connection) -> None:
        while not over.is_set():
            other.execute("BEGIN IMMEDIATE")
            over.wait(HELD)
            other.execute("COMMIT")
            over.wait(FREE)

    with other_writer(alias) as other:
        thread = threading.Thread(target=write, args=[other])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def hire() -> UUID:
    worker = uuid4()
    workers.register(
        workers.Incarnation(
            id=worker, name="w", host="h", pid=1, pool="p", concurrency=1, queues=["q"]
        )
    )
    return worker


@pytest.mark.alone
def test_loop_renews_a_lease_in_time_while_others_write_all_the_time(on_sqlite: str) -> None:
    worker = hire()
    took: list[float] = []

    def renew() -> float:
        asked = time.monotonic()
        assert workers.renew(worker) is not None
        took.append(time.monotonic() - asked)
        # The writer is held again when the next one asks.
        return HELD / 2 if len(took) < RENEWALS else 60.0

    beat = Loop("heartbeat", renew)
    with writing_all_the_time(on_sqlite):
        beat.start()
        try:
            # One that was refused would cost a pause of a second.
            eventually(lambda: len(took) >= RENEWALS, within=20)
        finally:
            beat.stop(seconds=5)
    assert max(took) < 0.5


def test_work_that_asks_often_gives_up_after_one_turn_and_says_why(
    on_sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.2)
    worker = hire()
    with other_writer(on_sqlite) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = time.monotonic()
        with pytest.raises(Exception, match="locked") as refused, turns.asking_often():
            workers.renew(worker)
        assert 0.2 <= time.monotonic() - asked < 5
    assert turns.is_busy(refused.value)
    with turns.asking_often():
        assert workers.renew(worker) is not None


def test_error_of_the_statement_itself_is_not_asked_again(on_sqlite: str) -> None:
    with pytest.raises(Exception, match="no such table") as wrong, turns.asking_often():
        connections[on_sqlite].cursor().execute("UPDATE nowhere SET a = 1")
    assert not turns.is_busy(wrong.value)


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(workers.declare_lost, id="rescuer"),
        pytest.param(lambda: workers.take_duty("upkeep", uuid4(), seconds=60), id="duty"),
    ],
)
def test_look_that_finds_nothing_to_do_needs_no_writer(
    on_sqlite: str, look: Callable[[], int]
) -> None:
    holder = hire()
    assert workers.take_duty("upkeep", holder, seconds=60)
    with other_writer(on_sqlite) as other:
        other.execute("BEGIN IMMEDIATE")
        connections[on_sqlite].connection.execute("PRAGMA busy_timeout = 0")
        assert not look()


def test_look_that_finds_something_acts(on_sqlite: str) -> None:
    lost, heir = hire(), hire()
    assert workers.take_duty("upkeep", lost, seconds=-1)
    Worker.objects.using(on_sqlite).filter(id=lost).update(lease_until=Now() - timedelta(seconds=1))
    assert workers.declare_lost() == 1
    assert workers.renew(lost) is None
    assert workers.take_duty("upkeep", heir, seconds=60)
    assert not workers.take_duty("upkeep", lost, seconds=60)
