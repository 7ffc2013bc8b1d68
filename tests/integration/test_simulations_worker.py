"""Simulations on real workers: whoever counts, and whoever is killed on the way, the answer is the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jost.simulations.models import Simulation
from tests.simulating import SimulationSite, kill_at_random, simulation_site, undisturbed

pytestmark = pytest.mark.slow

ROUNDS = 20_000_003
# A second or more for two workers of two processes each.
LONG = 100_000_003
TARGET = 0.0006
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


def is_short(*, on: str, pool: tuple[str, int] = POOLS[0], seed: int = 1, **_: object) -> bool:
    """The short run has each pool on SQLite, and one seed of kills on each database."""
    return seed == 1 and (pool == POOLS[0] or (on == "sqlite" and pool in SHORT_POOLS))


@pytest.fixture(params=["sqlite", "postgres"])
def on(request: pytest.FixtureRequest) -> Iterator[SimulationSite]:
    with simulation_site(str(request.param), request) as on:
        yield on


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
    [key] = on.start(rounds=LONG)
    for _ in range(2):
        on.worker()

    kills = kill_at_random(on, key, rounds=LONG, kills=6, seed=seed)

    assert on.await_answer(key) == undisturbed(LONG)
    assert kills >= 4


@pytest.mark.parametrize("on", ["postgres"], indirect=True)
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


@pytest.mark.parametrize("on", ["sqlite"], indirect=True)
def test_cancelled_simulation_leaves_no_job_behind(on: SimulationSite) -> None:
    [key] = on.start(rounds=LONG)
    on.do(f"lifecycle.cancel({on.told(key)})")
    [other] = on.start(rounds=100_000)

    worker = on.worker()
    on.await_answer(other)

    on.site.wait_all_final()
    assert on.rounds_counted(key) == 0
    assert "Traceback" not in worker.log_text()


@pytest.mark.parametrize("on", ["sqlite"], indirect=True)
def test_command_gives_the_same_object_by_jobs_as_inline(on: SimulationSite) -> None:
    on.worker()
    asked = ("simulate", "--decks", "6", "--rounds", "1e6", "--seed", "1", "--json")

    by_jobs = json.loads(on.site.django(*asked))

    assert by_jobs == json.loads(on.site.django(*asked, "--inline"))
