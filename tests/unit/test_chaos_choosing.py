"""How the soak chooses its faults: by need, within a share, never two at one target at once."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.chaos import series
from tests.chaos.choosing import CALM, SHARE, Choice
from tests.chaos.faults import CATALOGUE, Fault
from tests.chaos.report import COUNTS, FIGURES, wanting
from tests.chaos.soak import result_file


def some(*targets: str) -> list[Fault]:
    return [
        Fault(f"fault {n} of {target}", lambda scene: True, hits=target)
        for n, target in enumerate(targets)
    ]


def test_two_lanes_never_strike_at_one_target() -> None:
    choice = Choice(some("worker", "worker", "broker"), Random(1))
    first, second = choice.take(), choice.take()
    assert first is not None
    assert second is not None
    assert {first.hits, second.hits} == {"worker", "broker"}
    assert choice.take() is None
    choice.give_back(first, hit=True)
    third = choice.take()
    assert third is not None
    assert third.hits == first.hits


def test_database_is_left_alone_for_a_while_after_each_fault() -> None:
    clock = [0.0]
    choice = Choice(some("database"), Random(1), clock=lambda: clock[0])
    fault = choice.take()
    assert fault is not None
    clock[0] = 5.0
    choice.give_back(fault, hit=True)
    clock[0] += CALM["database"] - 0.1
    assert choice.take() is None
    clock[0] += 0.2
    assert choice.take() is fault


@pytest.mark.parametrize("seed", range(3))
def test_each_kind_gets_its_turn_and_none_takes_more_than_its_share(seed: int) -> None:
    clock = count(step=100)
    choice = Choice(CATALOGUE, Random(seed), clock=lambda: next(clock))
    for _ in range(20 * len(CATALOGUE)):
        fault = choice.take()
        assert fault is not None
        # One of three finds nothing to hit.
        choice.give_back(fault, hit=choice.rng.random() > 0.33)
    total = choice.hits.total()
    assert max(choice.hits.values()) <= SHARE * total + 1
    assert min(choice.hits.values()) >= 0.4 * total / len(CATALOGUE)


def test_kind_that_finds_nothing_keeps_nobody_from_his_turn() -> None:
    choice = Choice(some("worker", "broker", "scheduler", *("producer",) * 6), Random(1))
    for _ in range(200):
        fault = choice.take()
        assert fault is not None
        choice.give_back(fault, hit=fault.hits != "worker")
    assert min(n for name, n in choice.hits.items() if "worker" not in name) > 15


def test_same_seed_draws_the_same_faults() -> None:
    def drawn(seed: int) -> list[str]:
        clock = count(step=100)
        choice, names = Choice(CATALOGUE, Random(seed), clock=lambda: next(clock)), []
        for _ in range(50):
            fault = choice.take()
            assert fault is not None
            choice.give_back(fault, hit=True)
            names.append(fault.name)
        return names

    assert drawn(7) == drawn(7) != drawn(8)


def test_campaign_says_what_it_lacks() -> None:
    runs = [{"seed": 1, "faults": {"often": 50, "seldom": 3}}]
    assert wanting(runs, each=20, share=0.15) == [
        "seed 1: often makes up 50 of 53 faults",
        "seldom happened 3 times",
    ]


def test_series_tells_what_recorded_runs_come_to_and_runs_none_of_them_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = {"count": 2, "p50": 1.0, "max": 3.0}
    for seed, found in ((1, {}), (2, {"lost": ["a job"]})):
        one = {
            "product": "holdfast",
            "seed": seed,
            "seconds": 60.0,
            "database": "sqlite",
            "jobs": 100,
            "long_jobs_percent": 30.0 + seed,
            "faults": {"kill worker": 3, "wipe broker": 3},
            "run_again": {"kill worker": seed},
            **dict.fromkeys(FIGURES, figure),
            **dict.fromkeys(COUNTS, 1),
            "by_the_record_alone": {
                "jobs": 90,
                "lost": 0,
                "recovered": 2,
                "recovery_p50": 1.0,
                "recovery_max": float(seed),
            },
            "broken": found,
        }
        result_file(tmp_path, "sqlite", seed).write_text(json.dumps(one))
    arguments = ["--seeds", "1-2", "--db", "sqlite", "--results", str(tmp_path)]
    assert series.main(arguments) == 1
    told = json.loads((tmp_path / "summary-holdfast-sqlite.json").read_text())
    assert (told["jobs"], told["long_jobs_percent"]) == (200, 31.5)
    assert told["faults"] == {"kill worker": 6, "wipe broker": 6}
    assert told["broken"] == {"lost": 1}
    assert told["by_the_record_alone"]["recovery_max"] == 2.0
    printed = capsys.readouterr().out
    assert "P1 lost" in printed
    assert "kill worker happened 6 times" in printed
