"""How many slots a worker should have by what waits, and how many workers a queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import override_settings

from holdfast import conf
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.policies.scaling import Scale, desired_workers, levels


class Story:
    """A worker with --autoscale=10,2 and looks at what waits, one every 3 s."""

    def __init__(self, **bounds: int) -> None:
        self.now = 0.0
        self.scale = Scale(**({"least": 2, "most": 10} | bounds), monotonic=lambda: self.now)

    def looks(self, waiting: int, *, seconds: float = 3.0, oldest: float = 0.0) -> int:
        """Find so many waiting for so long; return the slots."""
        end = self.now + seconds
        while self.now < end:
            self.now += 3.0
            self.scale.heard(waiting, oldest_seconds=oldest)
        return self.scale.slots


def test_slots_follow_the_documented_figures() -> None:
    assert Story().scale.slots == 2
    assert [Story().looks(waiting) for waiting in (0, 10, 100, 101, 500, 501, 9000)] == [
        2, 2, 2, 5, 5, 10, 10,
    ]  # fmt: skip


def test_pool_grows_at_once_and_shrinks_a_level_after_each_cooldown() -> None:
    story = Story()
    assert story.looks(501) == 10
    assert story.looks(0, seconds=60) == 10
    assert story.looks(0, seconds=3) == 5
    assert story.looks(0, seconds=57) == 5
    assert story.looks(0, seconds=6) == 2
    assert story.looks(0, seconds=600) == 2


def test_depth_that_goes_up_and_down_between_two_levels_changes_nothing() -> None:
    story = Story()
    story.looks(501)
    for _ in range(50):
        assert story.looks(499, seconds=30) == 10
        assert story.looks(120, seconds=30) == 10
        assert story.looks(501) == 10
    story = Story()
    story.looks(101)
    for _ in range(50):
        assert story.looks(10, seconds=90) == 5
        assert story.looks(9, seconds=30) == 5


def test_look_that_failed_begins_the_cooldown_anew() -> None:
    story = Story()
    story.looks(501)
    for _ in range(20):
        assert story.looks(0, seconds=54) == 10
        story.scale.missed()
    assert story.looks(0, seconds=66) == 5


def test_job_that_waits_long_makes_the_pool_a_level_larger_however_few_wait() -> None:
    story = Story()
    story.now = 1000.0
    assert story.looks(3, oldest=30.0) == 2
    assert story.looks(3, oldest=31.0) == 5
    assert story.looks(3, oldest=34.0, seconds=27) == 5, "the new slots are given time"
    assert story.looks(3, oldest=61.0) == 10
    assert story.looks(3, oldest=61.0, seconds=600) == 10
    assert story.looks(3, oldest=5.0, seconds=120) < 10


def test_bounds_of_the_worker_hold_and_may_be_moved() -> None:
    assert [slots for _, slots in levels(least=4, most=20)] == [4, 10, 20]
    assert [slots for _, slots in levels(least=3, most=4)] == [3, 3, 4]
    story = Story(least=1, most=3)
    assert story.looks(501) == 3
    story.scale.bind(least=1, most=30)
    assert story.scale.slots == 30
    story.scale.bind(least=2, most=2)
    assert story.scale.slots == 2


def test_levels_of_the_settings_are_taken_within_the_bounds() -> None:
    with override_settings(HOLDFAST={"autoscale_levels": ((5, 1), (50, 6), (200, 40), (900, 99))}):
        assert levels(least=2, most=50) == ((5, 2), (50, 6), (200, 40), (900, 50))
        story = Story(least=2, most=50)
        assert story.looks(201) == 40
        assert story.scale.enough == 901


@pytest.mark.parametrize(
    "stated",
    [(), ((10, 2),), ((10, 2), (5, 9)), ((10, 5), (100, 2)), ((0, 1), (1, 2)), "10,2", (10, 2), 7],
)
def test_levels_that_make_no_sense_are_refused(stated: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"autoscale_levels.*like \(\(10, 2\)"):
        conf.read({"autoscale_levels": stated})


def test_fewest_workers_may_not_be_more_than_most() -> None:
    with pytest.raises(ConfigurationError, match="workers_least"):
        conf.read({"workers_least": 11})


def queue(waiting: int, *, oldest: float | None = None, workers: int = 0) -> Queue:
    found = Queue(name="q", workers=[f"w{number}" for number in range(workers)])
    found.waiting = {0: waiting} if waiting else {}
    found.oldest_seconds = oldest
    return found


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (lambda: queue(0), 2),
        (lambda: queue(200), 2),
        (lambda: queue(201), 3),
        (lambda: queue(1000), 10),
        (lambda: queue(10_000), 10),
        (lambda: queue(7, oldest=31.0, workers=4), 5),
        (lambda: queue(7, oldest=29.0, workers=4), 2),
        (lambda: queue(7, oldest=900.0, workers=10), 10),
    ],
)
def test_queue_asks_for_a_worker_for_each_hundred_jobs(
    given: Callable[[], Queue], wanted: int
) -> None:
    assert desired_workers(given()) == wanted


def test_figures_of_workers_can_be_set() -> None:
    settings = {"queued_per_worker": 10, "workers_least": 1, "workers_most": 3}
    with override_settings(HOLDFAST=settings):
        assert [desired_workers(queue(n)) for n in (11, 1000)] == [2, 3]
