"""`manage.py simulate`: one JSON object, the same through jobs and inline."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from jost.simulations import lifecycle, tasks
from jost.simulations.engine import ENGINE_VERSION, Rules
from jost.simulations.models import Simulation


def simulate(*options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("simulate", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def answer(*options: str) -> dict[str, Any]:
    out, _ = simulate(*options, "--json")
    result: dict[str, Any] = json.loads(out)
    return result


def test_answer_names_everything_that_decided_it() -> None:
    # No database mark: inline, nothing is asked of it.
    result = answer("--decks", "2", "--h17", "--no-das", "--surrender", "--penetration", "0.6",
                    "--rounds", "1e4", "--seed", "1", "--inline")  # fmt: skip

    assert result["rounds"] == 10_000
    assert result["seed"] == 1
    assert result["rules"] == {
        "decks": 2,
        "hit_soft_17": True,
        "double_after_split": False,
        "late_surrender": True,
        "penetration": 0.6,
        "max_hands": 4,
        "rounds_per_shoe": None,
    }
    assert result["ev"] == pytest.approx(0, abs=0.1)
    assert result["sd"] == pytest.approx(1.14, abs=0.1)
    assert result["ev_standard_error"] == pytest.approx(result["sd"] / 100)


@pytest.mark.django_db
@pytest.mark.usefixtures("inline")
def test_jobs_and_inline_give_the_same_object_to_the_last_bit() -> None:
    options = ("--rounds", "123456", "--seed", "7", "--decks", "8")

    through_jobs, inline = answer(*options), answer(*options, "--inline")

    assert through_jobs == inline
    assert Simulation.objects.get().state == Simulation.State.SUCCEEDED


@pytest.mark.django_db
@pytest.mark.usefixtures("inline")
def test_standard_output_is_one_json_object_and_progress_goes_elsewhere() -> None:
    out, err = simulate("--rounds", "1e4", "--seed", "1", "--json")

    assert out.count("\n") == 1
    assert "10,000 rounds of 6 decks" in err
    assert "100%" in err


def test_seed_that_was_left_out_is_named_so_that_it_can_be_repeated() -> None:
    first = answer("--rounds", "1e4", "--inline")

    assert answer("--rounds", "1e4", "--seed", str(first["seed"]), "--inline") == first


def test_report_for_people_says_value_and_interval() -> None:
    out, _ = simulate("--rounds", "1e4", "--seed", "1", "--inline")

    assert "10,000 rounds, 6 decks, S17, DAS, 75% dealt, seed 1" in out
    assert "of the bet, 95 % between" in out


@pytest.mark.parametrize(
    ("options", "repair"),
    [
        (("--rounds", "lots"), "write 100000000, 100_000_000 or 1e8"),
        (("--seed", "-5"), "The seed must lie between"),
        (("--decks", "9"), "decks must be a whole number from 1 to 8"),
        (("--penetration", "75"), "penetration must lie between 0.1 and 0.95"),
        (("--rounds-per-shoe", "0"), "rounds_per_shoe must be a whole number"),
    ],
)
def test_wrong_option_says_the_repair(options: tuple[str, ...], repair: str) -> None:
    with pytest.raises(CommandError, match=repair):
        simulate(*options, "--inline")


@pytest.mark.django_db
def test_cancelled_simulation_is_an_error_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def start_and_fail(rules: Rules, *, rounds: int, seed: int | None) -> Simulation:
        simulation = Simulation.objects.create(
            rules=rules.to_dict(),
            rounds=rounds,
            seed=seed or 0,
            chunk_size=rounds,
            engine_version=ENGINE_VERSION,
        )
        tasks.fail(str(simulation.pk))
        return simulation

    monkeypatch.setattr(lifecycle, "start", start_and_fail)

    with pytest.raises(CommandError, match=r"was failed\. A chunk could not be counted"):
        simulate("--rounds", "1e4")
