"""Limits in real workers: how many run at once by the clock of the machine, on each pool and on both databases."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from holdfast.ledger.models.limits import Limited, Place
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import limited

TASKS = f"--include={limited.__name__}"
# Between what lets a job in and the body's own clock: a busy machine bunches what it begins.
LATE = 0.8


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        site.worker(TASKS, pool="prefork", concurrency=4)
        site.worker(TASKS, pool="threads", concurrency=4)
        yield site


@pytest.fixture(autouse=True)
def emptied(site: Site) -> None:
    site.empty()
    Path(f"{site.effects_file}.spans").unlink(missing_ok=True)


@pytest.mark.short_on("postgres")
def test_no_more_run_at_once_than_the_limit_says_and_no_slot_waits(site: Site) -> None:
    limited.narrow.apply_many([(str(n), 0.1) for n in range(20)])
    # What is not limited finds the other slots free.
    site.task("noop").apply_many([() for _ in range(20)])
    site.wait_all_final()
    assert len(limited.spans(site.effects_file)) == 40
    assert limited.most_at_once(site.effects_file) == 3


@pytest.mark.short_on("postgres")
def test_keys_take_turns_in_workers(site: Site) -> None:
    with_many = [("big", str(n), 0.02) for n in range(40)]
    limited.for_tenant.apply_many([*with_many, ("a", "0", 0.02), ("b", "0", 0.02)])
    site.wait_all_final()
    began = limited.begun(site.effects_file)
    assert limited.most_at_once(site.effects_file) <= 2
    assert {"a/0", "b/0"} <= set(began[:8]), "those with one job each need not wait for forty"


@pytest.mark.short_on("sqlite")
def test_rate_holds_in_any_window_and_is_used_up(site: Site) -> None:
    started = time.monotonic()
    limited.paced.apply_many([(str(n),) for n in range(30)])
    site.wait_all_final()
    starts = [at for at, step, _ in limited.spans(site.effects_file) if step == 1]
    assert len(starts) == 30
    assert all(later >= earlier for earlier, later in pairwise(starts))
    for first in range(30):
        for last in range(first, 30):
            window = starts[last] - starts[first]
            assert last - first + 1 <= 10 * (window + LATE) + 2 * 5 + 1, (first, last, window)
    # 25 of them wait for a token each, 10 a second.
    assert starts[-1] - started > 2.0


@pytest.mark.parametrize("countdown", [0.0, 0.1])
def test_retried_job_and_the_next_one_take_turns(site: Site, countdown: float) -> None:
    for name in "ab":
        limited.once_again.delay(name, countdown)
    states = site.wait_all_final()
    assert set(states.values()) == {"succeeded"}
    assert len(limited.spans(site.effects_file)) == 8
    assert limited.most_at_once(site.effects_file) == 1


def test_nothing_of_a_limit_is_left_taken(site: Site) -> None:
    limited.narrow.delay("x")
    site.wait_all_final()

    def all_away() -> bool:
        return not Limited.objects.using(site.alias).exclude(place=Place.AWAY).exists()

    eventually(all_away, told="the job has left its limit")


@pytest.mark.short_on("sqlite")
def test_rate_limit_of_a_task_is_one_for_all_workers(site: Site) -> None:
    limited.slow_by_celery.apply_many([(str(n),) for n in range(4)])
    site.task("noop").apply_many([() for _ in range(20)])

    def others_are_done() -> bool:
        return site.counts(task=site.task("noop").name) == {"succeeded": 20}

    eventually(others_are_done, told="no slot is taken by a job that waits for a token")
    site.wait_all_final()
    starts = [at for at, step, _ in limited.spans(site.effects_file) if step == 1]
    # One token at the start, and one each quarter of a second.
    assert starts[-1] - starts[0] > 0.6


def test_singleton_runs_one_job_after_the_other(site: Site) -> None:
    limited.alone.apply_many([(str(n), 0.02) for n in range(8)])
    site.wait_all_final()
    assert sorted(limited.begun(site.effects_file)) == [str(n) for n in range(8)]
    assert limited.most_at_once(site.effects_file) == 1


def test_singleton_that_skips_is_one_job_for_each_key_until_it_has_ended(site: Site) -> None:
    first, other = limited.once_each.delay("a", 0.5), limited.once_each.delay("b", 0.5)
    eventually(lambda: len(limited.begun(site.effects_file)) == 2, told="both run")
    assert limited.once_each.delay("a").id == first.id
    site.wait_all_final()
    again = limited.once_each.delay("a")
    site.wait_all_final()
    assert len({first.id, other.id, again.id}) == 3
    assert sorted(limited.begun(site.effects_file)) == ["a", "a", "b"]
