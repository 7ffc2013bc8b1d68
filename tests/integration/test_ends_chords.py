"""Ends of chords' members, written together: each counted once, and the one that completes a chord by itself."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from holdfast.ledger import chords, ends, transitions
from holdfast.ledger.database import dialect
from holdfast.ledger.models import Chord, ChordPart
from holdfast.ledger.records import End, Part
from tests.ended import Told, run, states
from tests.rows import RESULT, hire


@pytest.fixture
def told(ledger: str) -> Told:
    return Told(hire())


def part(position: int, group: str = "g") -> Part:
    return Part(group, position, RESULT, secret=False)


def counted(ledger: str, group: str = "g") -> tuple[int, list[str]]:
    """Return what a chord says of its members, and who has given it something."""
    rows = ChordPart.objects.using(ledger).filter(group=group).order_by("position")
    done = Chord.objects.using(ledger).values_list("done", flat=True).get(group=group)
    return done, list(rows.values_list("member", flat=True))


def test_members_that_end_together_are_counted_with_one_update(ledger: str, told: Told) -> None:
    chords.open_chord("g", size=100)
    few, many = run(told.worker, "a"), run(told.worker, *(f"job-{n}" for n in range(30)))
    with CaptureQueriesContext(connections[ledger]) as one:
        told.add(few[0], RESULT, part=part(99))
        told.ends.write()
    with CaptureQueriesContext(connections[ledger]) as thirty:
        for n, hold in enumerate(many):
            told.add(hold, RESULT, part=part(n))
        told.ends.write()

    if connections[ledger].vendor == "postgresql":
        assert len(thirty) == len(one)
    assert [q["sql"].count("UPDATE holdfast_chord ") for q in thirty].count(1) == 1
    assert counted(ledger) == (31, [*(f"job-{n}" for n in range(30)), "a"])
    assert set(states(ledger).values()) == {"succeeded"}
    assert not told.aside


@pytest.mark.parametrize("surprised", [False, True])
def test_end_that_completes_a_chord_is_written_by_itself(
    ledger: str, told: Told, *, surprised: bool
) -> None:
    """Also where others have counted between the question and the count."""
    chords.open_chord("g", size=3)
    chords.open_chord("h", size=9)
    members, others = run(told.worker, "a", "b", "c"), run(told.worker, "d", "alone")
    for n, hold in enumerate(members):
        told.add(hold, RESULT, part=part(n))
    told.add(others[0], RESULT, part=part(0, "h"))
    told.add(others[1])
    stock = chords.missing
    with mock.patch.object(chords, "missing", (lambda _: {}) if surprised else stock):
        told.ends.write()

    assert counted(ledger) == (2, ["a", "b"])
    assert counted(ledger, "h") == (1, ["d"])
    assert told.heard == ["a", "b", "d", "alone"]
    assert members[2] in told.ends, "it is this worker's still"
    (work,) = told.aside
    work()
    assert told.alone == ["c"]
    assert told.heard[-1] == "c"
    assert len(told.ends) == 0


def test_chord_that_others_bring_to_its_end_leaves_all_members_to_themselves(
    ledger: str, told: Told
) -> None:
    chords.open_chord("g", size=2)
    # Two that were counted before, and one of them again: more ends than are missing.
    Chord.objects.using(ledger).update(done=2)
    for n, hold in enumerate(run(told.worker, "a", "b", "c")):
        told.add(hold, RESULT, part=part(n))
    told.ends.write()
    for work in told.aside:
        work()
    assert sorted(told.alone) == ["a", "b", "c"]
    assert counted(ledger) == (2, [])


def test_member_that_has_moved_on_or_returns_again_is_not_counted(ledger: str, told: Told) -> None:
    chords.open_chord("g", size=9)
    lost, again, new = run(told.worker, "lost", "again", "new")
    transitions.lose(lost, cause="its process died")
    chords.return_part("g", "again", position=1, failed=True, result=b"{}")
    for n, hold in enumerate((lost, again, new)):
        told.add(hold, RESULT, part=part(n))
    told.ends.write()
    assert counted(ledger) == (2, ["again", "new"])
    assert [(p.failed, p.result) for p in chords.parts("g")] == [(False, b"1"), (False, b"1")]


def test_chord_that_is_gone_keeps_no_end_back(ledger: str, told: Told) -> None:
    (hold,) = run(told.worker, "a")
    told.add(hold, RESULT, part=part(0))
    told.ends.write()
    assert states(ledger) == {"a": "succeeded"}
    assert not ChordPart.objects.using(ledger).exists()


def test_row_of_a_chord_in_somebodys_transaction_keeps_its_own_members_waiting(
    ledger: str, told: Told
) -> None:
    if connections[ledger].vendor == "sqlite":
        pytest.skip("SQLite locks no rows")
    dialect().own_session()
    chords.open_chord("g", size=9)
    holds = run(told.worker, "member", "free")
    other = connections[ledger].copy(alias=ledger)
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM holdfast_chord FOR UPDATE")
        member, free = End(holds[0], RESULT, part=part(0)), End(holds[1], RESULT)
        assert ends.succeed_many([member, free]) == ({"free"}, [member], [])
        told.add(holds[0], RESULT, part=part(0))
        told.add(holds[1], RESULT)
        told.ends.write()
        assert states(ledger) == {"member": "running", "free": "succeeded"}
        assert holds[0] in told.ends
    finally:
        other.close()
    with mock.patch("holdfast.worker.ends.time.monotonic", return_value=float("inf")):
        told.ends.write()
    assert counted(ledger) == (1, ["member"])
    # The session was the ledger's own for a moment.
    connections[ledger].close()


@pytest.mark.parametrize("how", ["moved on", "database away", "refused"])
def test_end_by_itself_is_told_of_put_off_or_failed(ledger: str, told: Told, how: str) -> None:
    chords.open_chord("g", size=1)
    (hold,) = run(told.worker, "a")
    answers: dict[str, Any] = {
        "moved on": mock.Mock(return_value=False),
        "database away": mock.Mock(side_effect=[OperationalError("gone"), True]),
        "refused": mock.Mock(side_effect=ValueError("the body cannot be sent")),
    }
    told.add(hold, RESULT, part=part(0))
    told.ends._unwritten[hold].alone = answers[how]
    told.ends.write()
    (work,) = told.aside
    if how == "database away":
        with pytest.raises(OperationalError):
            work()
        assert hold in told.ends
        told.aside.clear()
        with mock.patch("holdfast.worker.ends.time.monotonic", return_value=float("inf")):
            told.ends.write()
        (work,) = told.aside
    work()
    assert len(told.ends) == 0
    assert told.heard == ([] if how == "moved on" else ["a"])
    assert states(ledger)["a"] == ("failed" if how == "refused" else "running")
