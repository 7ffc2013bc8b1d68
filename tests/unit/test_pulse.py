"""The right to declare others lost: only with an unbroken pulse, and clocks in step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings

from holdfast.upkeep.pulse import Pulse

LEASE = 30.0
BEAT = 12.0


class Clocks:
    """This machine's steady clock, and the database's, which may be set."""

    def __init__(self) -> None:
        self.steady = 1000.0
        self.database = datetime(2030, 1, 1, tzinfo=UTC)
        self.pulse = Pulse(monotonic=lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.database += timedelta(seconds=seconds)

    def beat(self, times: int = 1) -> None:
        for _ in range(times):
            self.pass_by(BEAT)
            self.pulse.beat(self.database)

    @property
    def reason(self) -> str:
        return self.pulse.why_not(self.database)


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    with override_settings(HOLDFAST={"lease_seconds": LEASE}):
        yield Clocks()


def test_worker_that_never_beat_may_not_judge(clocks: Clocks) -> None:
    assert clocks.reason == "its own heartbeat has a gap"


def test_worker_may_judge_after_a_whole_lease_of_beats(clocks: Clocks) -> None:
    clocks.beat()
    assert clocks.reason == "it has not beaten for a whole lease yet"
    clocks.beat(2)
    assert clocks.reason == "it has not beaten for a whole lease yet"
    clocks.beat()
    assert clocks.reason == ""


def test_failed_beat_takes_the_right_away_for_a_whole_lease(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.pulse.skip()
    assert clocks.reason == "its own heartbeat has a gap"
    clocks.beat(3)
    assert clocks.reason == "it has not beaten for a whole lease yet"
    clocks.beat()
    assert clocks.reason == ""


def test_frozen_worker_finds_its_gap_before_it_judges(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.pass_by(LEASE)
    assert clocks.reason == "its own heartbeat has a gap"
    clocks.pulse.beat(clocks.database)
    assert clocks.reason == "it has not beaten for a whole lease yet"


@pytest.mark.parametrize("step", [3.0, 3600.0, -3.0, -3600.0])
def test_stepped_database_clock_takes_the_right_away(clocks: Clocks, step: float) -> None:
    clocks.beat(5)
    clocks.database += timedelta(seconds=step)
    assert clocks.reason == "the database's clock was set"
    assert clocks.reason == "it has not beaten for a whole lease yet"
    clocks.beat(3)
    assert clocks.reason == ""


def test_clock_stepped_between_two_beats_is_noticed_by_the_beat(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.database += timedelta(seconds=60)
    clocks.beat()
    assert clocks.reason == "it has not beaten for a whole lease yet"


def test_late_beat_within_bounds_keeps_the_right(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.pass_by(BEAT * 1.5)
    clocks.pulse.beat(clocks.database)
    assert clocks.reason == ""


def test_beat_that_waited_for_a_busy_writer_keeps_the_right(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.pulse.hinder()
    clocks.pass_by(BEAT * 1.3)
    clocks.pulse.beat(clocks.database)
    assert clocks.reason == ""


def test_writer_busy_for_so_long_that_leases_ran_out_takes_the_right_away(clocks: Clocks) -> None:
    clocks.beat(5)
    clocks.pulse.hinder()
    clocks.pass_by(BEAT * 1.45)
    assert clocks.reason == "its own heartbeat has a gap"
    clocks.pulse.beat(clocks.database)
    assert clocks.reason == "it has not beaten for a whole lease yet"
    # Not hindered any more: the usual bound.
    clocks.beat(3)
    clocks.pass_by(BEAT * 1.5)
    clocks.pulse.beat(clocks.database)
    assert clocks.reason == ""


@pytest.mark.parametrize(
    ("step", "told"), [(-3600.0, True), (-3.0, True), (-1.0, False), (3600.0, False)]
)
@pytest.mark.parametrize("gap", [False, True], ids=["in a row", "after a gap"])
def test_clock_that_was_set_back_is_told_until_it_is_seen_to(
    clocks: Clocks, step: float, told: bool, gap: bool
) -> None:
    clocks.beat(2)
    if gap:
        # As when the database fails over to another host.
        clocks.pulse.skip()
        clocks.pass_by(10 * BEAT)
    clocks.database += timedelta(seconds=step)
    clocks.beat(2)
    assert clocks.pulse.was_set_back is told
    clocks.pulse.was_set_back = False
    clocks.beat(2)
    assert not clocks.pulse.was_set_back
