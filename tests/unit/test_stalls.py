"""What counts as a stall, and what only looks like one; with a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.broker.canary import Heard
from holdfast.worker.stalls import CANARY, CONNECTING_SECONDS, LOOP, PASSED_OVER, Facts, Stalls

PATIENCE = 30.0
WELL = Facts()


class Watched:
    """Passes of a watch, one a second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stalls = Stalls(patience=PATIENCE)

    def see(self, facts: Facts, *, seconds: float = 1) -> str:
        """Return what the last of the passes says, or the first cause."""
        for _ in range(int(seconds)):
            self.now += 1
            self.stalls.gap(self.now)
            cause = self.stalls.cause(facts, self.now)
            if cause:
                return cause
        return ""

    def out(self, facts: Facts = WELL) -> Facts:
        return replace(facts, canary_out_since=self.now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_canary_that_does_not_come_is_a_stall_after_the_patience(watched: Watched) -> None:
    out = watched.out()
    assert watched.see(out, seconds=PATIENCE) == ""
    assert watched.see(out, seconds=2) == CANARY


def test_canaries_that_come_are_no_stall_though_one_is_always_out(watched: Watched) -> None:
    for _ in range(int(PATIENCE) * 3):
        asked = replace(watched.out(), loop_asked_at=watched.now)
        assert watched.see(asked) == ""


def test_loop_that_does_not_turn_is_a_stall_also_where_there_is_no_room(watched: Watched) -> None:
    asked = Facts(loop_asked_at=watched.now, fetches=False)
    assert watched.see(asked, seconds=PATIENCE) == ""
    assert watched.see(asked, seconds=2) == LOOP


def test_loop_is_named_where_both_are_late(watched: Watched) -> None:
    out = watched.out()
    watched.see(out, seconds=10)
    both = replace(out, loop_asked_at=watched.now)
    assert watched.see(both, seconds=PATIENCE) == LOOP


@pytest.mark.parametrize(
    "passing",
    [
        {"fetches": False},
        {"connected": False},
        {"broker": False},
        {"judged": False},
    ],
)
def test_what_cannot_be_told_begins_the_patience_anew(
    watched: Watched, passing: dict[str, bool]
) -> None:
    out = watched.out()
    assert watched.see(out, seconds=PATIENCE - 1) == ""
    assert watched.see(replace(out, **passing), seconds=PATIENCE * 4) == ""  # type: ignore[arg-type]
    assert watched.see(out, seconds=PATIENCE - 1) == ""
    assert watched.see(out, seconds=3) == CANARY


def test_process_that_stood_still_is_judged_anew(watched: Watched) -> None:
    asked = replace(watched.out(), loop_asked_at=watched.now)
    watched.see(asked, seconds=PATIENCE - 1)
    watched.now += 3600

    assert watched.stalls.gap(watched.now) == 3600
    assert watched.stalls.cause(asked, watched.now) == ""
    assert watched.see(asked, seconds=PATIENCE - 1) == ""
    assert watched.see(asked, seconds=3) == LOOP


def test_no_connection_is_a_stall_only_long_after_the_broker_answers(watched: Watched) -> None:
    apart = Facts(connected=False, apart=True, loop_asked_at=watched.now)
    assert watched.see(apart, seconds=PATIENCE + CONNECTING_SECONDS) == ""
    assert watched.see(apart, seconds=3) == "it does not connect to a broker that answers"
    assert watched.see(replace(apart, broker=False), seconds=600) == ""


def test_queue_that_is_not_asked_is_named_after_some_canaries(watched: Watched) -> None:
    serves = frozenset({"first", "second"})
    causes = [
        watched.see(
            Facts(serves=serves, heard=Heard(number, watched.now, frozenset({"first"}))), seconds=10
        )
        for number in range(1, PASSED_OVER + 1)
    ]
    assert causes == [""] * (PASSED_OVER - 1) + ["it does not ask for second"]


def test_queue_that_was_added_or_given_up_meanwhile_is_not_missed(watched: Watched) -> None:
    heard = Heard(1, watched.now, frozenset({"first"}))
    for number in range(1, 10):
        heard = Heard(number, watched.now, frozenset({"first"}))
        assert watched.see(Facts(serves=frozenset({"first"}), heard=heard), seconds=10) == ""
    # Without room no canary comes, for however long.
    both = Facts(serves=frozenset({"first", "second"}), heard=heard, fetches=False)
    assert watched.see(both, seconds=600) == ""
