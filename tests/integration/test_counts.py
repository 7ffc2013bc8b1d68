"""What happens in a process is counted there, told in sums, and never lost to a database that is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from holdfast import events
from holdfast.ledger import counts
from holdfast.ledger.counts import Counts


@pytest.fixture
def heard() -> Iterator[Counts]:
    found = Counts()
    counts.listen(found)
    yield found
    counts.listen(Counts())


def happen() -> None:
    """Let each event that is counted happen."""
    events.jobs_rescued.send(sender=None, count=3, workers=1)
    events.jobs_republished.send(sender=None, count=7, queue="q")
    events.worker_stalled.send(
        sender=None, worker=None, name="w", cause="", evidence="", seconds=30
    )
    events.lease_lost.send(sender=None, worker=None)
    events.message_suspected.send(
        sender=None, kind="forged ticket", queue="q", task="t", job="j", accepted=False
    )
    events.occurrence_decided.send(
        sender=None,
        schedule="s",
        outcome="fired",
        reason="",
        due_at=datetime.now(UTC),
        job=None,
    )


def test_what_has_happened_is_added_to_what_was_told(ledger: str, heard: Counts) -> None:
    for _ in range(2):
        happen()
        heard.write()
    assert heard.is_empty
    assert counts.told() == {
        ("rescued", ""): 6,
        ("republished", ""): 14,
        ("stalled", ""): 2,
        ("leases lost", ""): 2,
        ("suspected", "forged ticket"): 2,
        ("decided", "fired"): 2,
    }
    assert {name for name, _ in counts.told()} == set(counts.NAMES)


def test_counts_of_two_processes_add_up(ledger: str) -> None:
    one, other = Counts(), Counts()
    one.note(counts.RESCUED, n=2)
    other.note(counts.RESCUED, n=3)
    one.write()
    other.write()
    assert counts.told() == {("rescued", ""): 5}


def test_what_the_database_does_not_take_is_told_later(
    ledger: str, heard: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard.note(counts.STALLED)

    def refuse(_new: object) -> None:
        raise OperationalError("it is away")

    with monkeypatch.context() as away:
        away.setattr(counts, "add", refuse)
        with pytest.raises(OperationalError):
            heard.write()
    heard.note(counts.STALLED)
    heard.write()
    assert counts.told() == {("stalled", ""): 2}


def test_nothing_is_written_where_nothing_has_happened(
    ledger: str, heard: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "add", lambda new: pytest.fail(f"it wrote {new}"))
    heard.write()
