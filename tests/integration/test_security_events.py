"""Security events: counted, bounded, shown and deleted; never the content of a message."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.db.models import Sum
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import events
from holdfast.broker.arrivals import read
from holdfast.conf import get_settings
from holdfast.ledger import security
from holdfast.ledger.models.security import SecurityEvent
from holdfast.ledger.security import Kind, Sighting
from holdfast.upkeep.pruner import Pruner
from holdfast.worker.guard import ROWS_A_MINUTE, Guard
from tests import attacks

WORKER = uuid4()


class Worker:
    """A guard, and the work it would leave to the clerk's thread."""

    def __init__(self) -> None:
        self.left: list[Any] = []
        self.guard = Guard(worker=self.id, submit=self.left.append)

    def id(self) -> UUID:
        return WORKER

    def meet(self, *items: bytes, queue: str = "celery") -> list[bool]:
        """Meet these messages, and do all the work that is left."""
        answers = [self.guard.admits(read(item, queue=queue), item, queue=queue) for item in items]
        self.guard.write_soon()
        while self.left:
            self.left.pop(0)()
        return answers


@contextmanager
def told() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    def hear(sender: Any, signal: Any, **said: Any) -> None:
        found.append(said)

    events.message_suspected.connect(hear)
    yield found
    events.message_suspected.disconnect(hear)


def rows(ledger: str) -> list[SecurityEvent]:
    return list(SecurityEvent.objects.using(ledger).order_by("id"))


@pytest.fixture(autouse=True)
def warning(ledger: str) -> Iterator[None]:
    with override_settings(HOLDFAST={"database": ledger, "unsigned": "warn"}):
        yield


def test_equal_messages_of_a_minute_are_one_row_without_their_content(ledger: str) -> None:
    worker = Worker()
    item = attacks.message("shop.tasks.pay", "the card number")
    with told() as heard:
        assert worker.meet(item) == [True]
        worker.meet(item, item)
    (row,) = rows(ledger)
    assert (row.kind, row.queue, row.task, row.count) == (
        "unsigned message",
        "celery",
        "shop.tasks.pay",
        3,
    )
    assert (row.job, row.worker, row.accepted) == ("of-the-attacker", WORKER, True)
    assert (row.size, len(row.digest)) == (len(item), 64)
    assert "card" not in repr(vars(row))
    assert [said["accepted"] for said in heard] == [True] * 3


def test_flood_of_different_messages_writes_a_few_rows_and_counts_them_all(ledger: str) -> None:
    worker = Worker()
    flood = [attacks.message(f"shop.tasks.{number}") for number in range(500)]
    worker.meet(*flood[:250])
    worker.meet(*flood[250:])
    worker.meet(*[b"garbage"] * 100)
    found = SecurityEvent.objects.using(ledger)
    assert found.aggregate(all=Sum("count"))["all"] == 600
    assert found.count() <= ROWS_A_MINUTE + 2
    assert len(worker.left) == 0


def test_what_the_database_does_not_take_is_written_later(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()

    def away(sighting: Sighting) -> int:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(security, "note", away)
        with pytest.raises(OperationalError):
            worker.meet(b"garbage", b"garbage")
    assert rows(ledger) == []
    worker.meet(b"garbage")
    assert [row.count for row in rows(ledger)] == [3]


def test_what_a_message_says_of_itself_is_made_fit_for_a_terminal(ledger: str) -> None:
    nasty = "x\x1b[2J\0\n" + "ä" * 400
    worker = Worker()
    with override_settings(HOLDFAST={"database": ledger, "unsigned": "refuse"}):
        assert worker.meet(attacks.message(nasty, id="a\0b")) == [False]
    (row,) = rows(ledger)
    assert row.task.startswith("x?[2J??ää")
    assert row.job == "a?b"
    assert not row.accepted


def test_accepting_mode_notes_no_unsigned_message_but_forged_ones(ledger: str) -> None:
    worker = Worker()
    with override_settings(HOLDFAST={"database": ledger, "unsigned": "accept"}):
        assert worker.meet(attacks.message("shop.tasks.pay")) == [True]
        assert rows(ledger) == []
        forged = json.loads(attacks.message("shop.tasks.pay")) | {"holdfast": "1:made up"}
        assert worker.meet(json.dumps(forged).encode()) == [False]
    assert [row.kind for row in rows(ledger)] == [Kind.FORGED_MESSAGE]


def test_command_prints_them_for_people_and_for_programs(ledger: str) -> None:
    assert "No message" in said()
    Worker().meet(attacks.message("shop.tasks.pay"), b"garbage")
    text = said()
    assert "shop.tasks.pay" in text
    assert "malformed message" in text
    found = json.loads(said("--json"))
    assert {line["kind"]: line["count"] for line in found} == {
        Kind.MALFORMED: 1,
        Kind.UNSIGNED: 1,
    }
    SecurityEvent.objects.using(ledger).update(last_at=Now() - timedelta(hours=2))
    assert json.loads(said("--json", "--since", "1h")) == []


def test_they_are_deleted_after_the_days_of_the_audit(ledger: str) -> None:
    Worker().meet(b"garbage")
    Pruner(results_kept_seconds=None).one_pass()
    assert len(rows(ledger)) == 1
    long_ago = timedelta(days=get_settings().audit_days + 1)
    SecurityEvent.objects.using(ledger).update(at=Now() - long_ago)
    Pruner(results_kept_seconds=None).one_pass()
    assert rows(ledger) == []


def said(*options: str) -> str:
    out = StringIO()
    call_command("holdfast", "security", *options, stdout=out)
    return out.getvalue()
