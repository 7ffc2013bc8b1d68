"""Simulations on real workers: whoever counts, and whoever is killed on the way, the answer is the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jost.simulations.models import Simulation
from tests.simulating import SimulationSite, kill_at_random, simulation_site, undisturbed

pytestmark = pytest.mark.slow

ROUNDS = 10_000_003
# A second or more for two workers of two processes each.
LONG = 60_000_003
TARGET = 0.001
POOLS = [
    ("prefork", 1),
    ("prefork", 2),
    ("prefork", 8),
    ("threads", 2),
    ("threads", 8),
    ("solo", 1),
]
SHORT_POOLS = [("prefork", 1), ("prefork", 8), ("threads", 2), ("solo", 1)]
SEEDS = range(1, 13)


def is_short(*, shared: str, pool: tuple[str, int] | None = None, seed: int = 1) -> bool:
    """The short run has each pool on SQLite, and one seed of kills on each database."""
    return seed == 1 and (pool is None or (shared == "sqlite" and pool in SHORT_POOLS))


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest) -> Iterator[SimulationSite]:
    with simulation_site(str(request.param), request) as on:
        yield on


@pytest.fixture
def on(shared: SimulationSite) -> Iterator[SimulationSite]:
    """An empty site without workers."""
    yield shared
    shared.empty()


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: f"{pool[1]} {pool[0]}")
def test_any_number_of_processes_or_threads_gives_the_same_bytes(
    on: SimulationSite, pool: tuple[str, int]
) -> None:
    to_the_end, to_target = on.start(rounds=ROUNDS, targets=(None, TARGET))

    on.worker(pool=pool[0], concurrency=pool[1])

    assert on.await_answer(to_the_end) == undisturbed(ROUNDS)
    assert on.await_answer(to_target) == undisturbed(ROUNDS, target=TARGET)
    assert 3 * 50_000 < on.row(to_target).rounds < ROUNDS


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_workers_change_no_byte_of_the_answer(on: SimulationSite, seed: int) -> None:
    key, to_target = on.start(rounds=LONG, targets=(None, TARGET))
    for _ in range(2):
        on.worker()

    kills = kill_at_random(on, key, rounds=LONG, kills=6, seed=seed)

    assert on.await_answer(key) == undisturbed(LONG)
    assert on.await_answer(to_target) == undisturbed(LONG, target=TARGET)
    assert kills >= 4


@pytest.mark.parametrize("shared", ["postgres"], indirect=True)
def test_paused_resumed_and_extended_simulation_gives_the_same_bytes(on: SimulationSite) -> None:
    [key] = on.start(rounds=LONG)
    on.worker(concurrency=1)
    on.await_rounds(key, 1)

    on.do(f"lifecycle.pause({on.told(key)})")
    on.site.wait_all_final()
    counted, paused = on.rounds_counted(key), on.row(key).state
    further = LONG + 1_000_000
    on.do(f"lifecycle.extend({on.told(key)}, rounds={further}); lifecycle.resume({on.told(key)})")

    assert paused == Simulation.State.PAUSED
    assert 0 < counted < LONG
    assert on.await_answer(key) == undisturbed(further)


@pytest.mark.parametrize("shared", ["sqlite"], indirect=True)
def test_cancelled_simulation_leaves_no_job_behind(on: SimulationSite) -> None:
    [key] = on.start(rounds=LONG)
    on.do(f"lifecycle.cancel({on.told(key)})")
    [other] = on.start(rounds=100_000)

    worker = on.worker()
    on.await_answer(other)

    on.site.wait_all_final()
    assert on.rounds_counted(key) == 0
    assert "Traceback" not in worker.log_text()


@pytest.mark.parametrize("shared", ["sqlite"], indirect=True)
def test_command_gives_the_same_object_by_jobs_as_inline(on: SimulationSite) -> None:
    on.worker()
    asked = ("simulate", "--decks", "6", "--rounds", "1e6", "--seed", "1", "--json")

    by_jobs = json.loads(on.site.django(*asked))

    assert by_jobs == json.loads(on.site.django(*asked, "--inline"))
