"""What a job costs is counted and held against recorded budgets: statements, round trips, bytes, calls; never time."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.budgets.budget import Budgets, Excess
from benchmarks.budgets.readings import Readings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def held(request: Any) -> tuple[str, Readings, list[Excess]]:
    """Everything counted once on a database, on a stand of its own."""
    return request.param, *Budgets.read().held_against(request.param)


def test_nothing_costs_more_than_its_budget(held: tuple[str, Readings, list[Excess]]) -> None:
    _, _, exceeded = held
    assert not exceeded, "\n".join(map(str, exceeded))


def test_a_job_takes_at_most_three_round_trips_to_the_database_and_two_to_redis(
    held: tuple[str, Readings, list[Excess]],
) -> None:
    database, readings, _ = held
    sent = readings["delay()"].values
    # One by one is the dearest way: no round trip serves two jobs.
    for run in ("prefork: plain, one by one", "threads: plain, one by one"):
        values = readings[run].values
        assert sent["redis round trips"] + values["redis round trips"] <= 2.0
        if database == "postgres":
            assert sent["sql round trips"] + values["sql round trips"] <= 3.0


def test_what_is_queued_is_fetched_and_claimed_by_the_batch(
    held: tuple[str, Readings, list[Excess]],
) -> None:
    database, readings, _ = held
    for pool in ("prefork", "threads"):
        queued = readings[f"{pool}: plain, queued"].values
        alone = readings[f"{pool}: plain, one by one"].values
        assert queued["redis round trips"] < alone["redis round trips"]
        if database == "postgres":
            assert queued["sql round trips"] < alone["sql round trips"]
