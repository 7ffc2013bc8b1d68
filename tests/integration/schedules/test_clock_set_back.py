"""The database's clock is set back by an hour under schedules: intervals go on, times of the clock come once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from holdfast.beat.scheduler import Scheduler
from holdfast.conf import get_settings
from holdfast.ledger.models.schedules import Schedule
from tests.integration.schedules.passes import HOUR, MINUTE, START, Clock, entry, fired, outcomes

TEN = timedelta(seconds=10)


@pytest.mark.parametrize("another", [False, True], ids=["the same scheduler", "the next one"])
def test_interval_goes_on(another: bool, start: Callable[..., Scheduler], clock: Clock) -> None:
    scheduler = start(one=entry(10))
    scheduler.one_pass()
    clock.now += TEN
    scheduler.one_pass()
    assert len(fired()) == 1

    # By whole tens of seconds, so that the same due times would come again.
    clock.now -= HOUR
    if another:
        scheduler = start(one=entry(10))
    scheduler.one_pass()
    for count in (2, 3):
        clock.now += TEN
        scheduler.one_pass()
        assert len(fired()) == count
    # When the clock comes by there again nothing is due twice, and nothing is left out.
    clock.now = START + TEN
    scheduler.one_pass()
    clock.now += TEN
    scheduler.one_pass()
    dues = [due for _, due in outcomes()]
    assert len(dues) == len(set(dues))
    assert outcomes()[-1][0] == "fired"


def test_times_of_the_clock_are_due_when_it_shows_them_first(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    scheduler = start(one=entry())
    scheduler.one_pass()
    clock.now += MINUTE
    scheduler.one_pass()
    first = outcomes()
    assert len(first) == 1

    clock.now -= HOUR
    for _ in range(3):
        clock.now += MINUTE
        scheduler.one_pass()
    assert outcomes() == first

    clock.now = START + 2 * MINUTE
    scheduler.one_pass()
    assert len(outcomes()) == 2


def test_leader_that_slept_while_the_clock_was_set_decides_nothing_twice(
    start: Callable[..., Scheduler], clock: Clock
) -> None:
    slept = start(leads=True, one=entry(10))
    slept.one_pass()
    clock.now += TEN
    slept.one_pass()
    other = start(leads=True)
    clock.now -= HOUR
    other.one_pass()
    clock.now += TEN
    other.one_pass()
    assert len(fired()) == 2

    slept.one_pass()
    slept.one_pass()

    assert len(fired()) == 2
    standing = Schedule.objects.using(get_settings().database).get()
    assert standing.decided_until <= clock.now
