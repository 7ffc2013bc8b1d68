"""`manage.py simulate`: one JSON object, the same through jobs and inline."""

from __future__ import annotations

import json
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.db import OperationalError

from jost.simulations import inline, legs, lifecycle, told
from jost.simulations.charts import chart_to_csv
from jost.simulations.engine import ENGINE_VERSION, Tally
from jost.simulations.engine.chart import Chart, read_rows
from jost.simulations.management.commands import simulate as command
from jost.simulations.models import Simulation
from jost.simulations.report import answer as answer_of
from jost.simulations.schemas import schema_of
from jost.simulations.setup import RULES_KEYS, Setup
from tests.simulated import CHART, ROUNDS, SEED, plain_setup, pretended, pretended_answer, rounds_of

State = Simulation.State


@pytest.fixture
def engine() -> None:
    """For tests that count with the engine."""


@pytest.fixture(autouse=True)
def pretending_inline(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Chunks are counted without an engine, but for tests that ask for it."""
    if "engine" not in request.fixturenames:
        monkeypatch.setattr(inline, "count_chunk", pretended)
        monkeypatch.setattr(inline, "warm_up", lambda: None)
        monkeypatch.setattr(command, "warm_up", lambda: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A rules file with a whole strategy, so that nothing has to be computed."""
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"strategy": CHART}))
    return path


def simulate(*options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("simulate", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def answer(*options: str) -> dict[str, Any]:
    out, _ = simulate(*options, "--json")
    result: dict[str, Any] = json.loads(out)
    return result


def rules_of(*options: str) -> dict[str, Any]:
    """The rules that these options come to, without those they leave alone."""
    given = answer(*options, "--rounds", "1e4", "--inline")["rules"]
    plain = plain_setup().to_dict()
    return {key: value for key, value in given.items() if value != plain[key] and key in RULES_KEYS}


def test_answer_is_the_report_and_nothing_else(file: Path) -> None:
    # No database mark: inline, nothing is asked of it.
    result = answer("--rules", str(file), "--rounds", "1e5", "--seed", str(SEED), "--inline")

    tally = pretended_answer(rounds=100_000)
    assert result == answer_of(plain_setup(), tally, seed=SEED, engine_version=ENGINE_VERSION)


def test_flags_of_the_first_version_are_still_there(file: Path) -> None:
    rules = rules_of(
        "--rules", str(file), "--decks", "2", "--h17", "--no-das", "--surrender",
        "--penetration", "0.6", "--max-hands", "3",
    )  # fmt: skip

    assert rules == {
        "decks": 2,
        "dealer_hits_soft_17": True,
        "double_after_split": False,
        "surrender": "late",
        "dealing": {"mode": "cut_card", "penetration": 0.6},
        "max_hands": 3,
    }


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--rounds-per-shoe", "9"], {"dealing": {"mode": "fixed_rounds", "rounds": 9}}),
        (["--fresh-shoe"], {"dealing": {"mode": "every_round"}}),
        (["--surrender", "early"], {"surrender": "early"}),
        (["--double-on", "10-11"], {"double_on": "10-11"}),
        (["--blackjack-pays", "6:5"], {"blackjack_pays": "6:5"}),
        (["--no-peek"], {"dealer_peeks": False}),
        (["--resplit-aces", "--hit-split-aces"], {"resplit_aces": True, "hit_split_aces": True}),
        (["--seats", "2", "--other-players", "1"], {"seats": 2, "other_players": 1}),
        (["--decks", "0"], {"decks": 0}),
    ],
)
def test_every_rule_has_a_flag(file: Path, options: list[str], rules: dict[str, Any]) -> None:
    assert rules_of("--rules", str(file), *options) == rules


def test_flags_override_the_file_and_the_file_the_preset(file: Path) -> None:
    file.write_text(json.dumps({"strategy": CHART, "surrender": "early", "max_hands": 3}))

    rules = rules_of("--preset", "strip-6d", "--rules", str(file), "--max-hands", "2", "--h17")

    assert rules == {
        "resplit_aces": True,
        "surrender": "early",
        "max_hands": 2,
        "dealer_hits_soft_17": True,
    }


def test_count_and_plays_have_flags(file: Path) -> None:
    options = ("--rules", str(file), "--rounds", "1e4", "--inline")

    counted = answer(
        *options,
        "--counting",
        "hi-lo",
        "--true-count",
        "truncate",
        "--plays",
        "illustrious-18,fab-4",
    )["rules"]

    assert counted["counting"] == {"system": "hi-lo", "true_count": "truncate"}
    assert counted["index_plays"] == ["illustrious-18", "fab-4"]
    file.write_text(json.dumps(counted))
    plain = answer(*options, "--counting", "none", "--plays", "none")["rules"]
    assert (plain["counting"], plain["index_plays"]) == (None, [])
    floor = answer(*options, "--true-count", "floor")["rules"]
    assert floor["counting"] == {"system": "hi-lo", "true_count": "floor"}


def test_strategy_may_be_a_spreadsheet(file: Path, tmp_path: Path) -> None:
    chart = Chart.from_rows(read_rows({**CHART, "hard": CHART["hard"] | {"12": ["S"] * 10}}))
    sheet = tmp_path / "chart.csv"
    sheet.write_text(chart_to_csv(chart))

    result = answer("--strategy", str(sheet), "--rounds", "1e4", "--inline")

    assert result["rules"]["strategy"] == chart.to_dict()


def test_rules_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(json.dumps({"strategy": CHART, "decks": 1})))

    assert rules_of("--rules", "-") == {"decks": 1}


@pytest.mark.usefixtures("engine")
def test_answer_fits_its_schema_and_repeats_to_the_last_bit(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "strategy": CHART,
                "counting": "hi-lo",
                "index_plays": ["illustrious-18"],
                "bets": {"ramp": {"0": 1, "2": 8}, "wong_out": -1, "unit": 25},
                "bankroll": {"units": 500},
            }
        )
    )
    options = ("--rules", str(file), "--rounds", "20000", "--seed", "5", "--inline", "--json")

    first, _ = simulate(*options)
    second, _ = simulate(*options, "--workers", "3")

    assert first == second
    jsonschema.validate(json.loads(first), schema_of("simulate"))


@pytest.mark.django_db
@pytest.mark.usefixtures("inline", "pretending")
def test_jobs_and_inline_give_the_same_object_to_the_last_byte(file: Path) -> None:
    file.write_text(json.dumps({"strategy": CHART, "counting": "ko", "seats": 1}))
    options = ("--rules", str(file), "--rounds", "123456", "--seed", str(SEED), "--json")

    through_jobs, _ = simulate(*options)
    inline_, _ = simulate(*options, "--inline")

    assert through_jobs == inline_
    assert Simulation.objects.get().state == State.SUCCEEDED


@pytest.mark.django_db
@pytest.mark.usefixtures("inline", "pretending")
def test_target_ends_jobs_and_inline_at_the_same_chunk(file: Path) -> None:
    estimate = pretended_answer(rounds=rounds_of(8), chunks=5).estimate()
    assert estimate is not None
    options = (
        "--rules", str(file), "--rounds", str(rounds_of(8)), "--seed", str(SEED),
        "--target", repr(estimate.reach), "--json",
    )  # fmt: skip

    through_jobs, _ = simulate(*options)
    inline_, _ = simulate(*options, "--inline")

    assert through_jobs == inline_
    assert json.loads(inline_)["rounds"] == rounds_of(5)
    assert json.loads(inline_)["target_reached"] is True


@pytest.mark.django_db
@pytest.mark.usefixtures("inline", "pretending")
def test_standard_output_is_one_json_object_and_progress_goes_elsewhere(file: Path) -> None:
    out, err = simulate("--rules", str(file), "--rounds", "1e5", "--json", "--name", "a try")

    assert out.count("\n") == 1
    assert "100,000 rounds of 6 decks, S17, DAS, 75% dealt" in err
    assert "100.0%" in err
    assert Simulation.objects.get().name == "a try"


def test_seed_that_was_left_out_is_named_so_that_it_can_be_repeated(file: Path) -> None:
    options = ("--rules", str(file), "--rounds", "1e4", "--inline")
    first = answer(*options)

    assert answer(*options, "--seed", str(first["seed"])) == first


def test_report_for_people_says_value_interval_counts_and_bets(file: Path) -> None:
    file.write_text(
        json.dumps(
            {
                "strategy": CHART,
                "counting": "hi-lo",
                "bets": {"ramp": {"0": 1, "2": 8}},
                "bankroll": {"units": 1000},
            }
        )
    )

    out, err = simulate(
        "--rules", str(file), "--rounds", "2e5", "--seed", "1", "--inline", "--target", "1e-6"
    )

    assert "200,000 rounds, 6 decks, S17, DAS, 75% dealt, Hi-Lo, seed 1" in out
    assert "of the bet, 95 % between" in out
    assert "The target of 0.0001% was not reached: allow more --rounds." in out
    counts = [line.split()[0] for line in out.splitlines() if line.startswith("    ")]
    assert counts == ["-1", "+0", "+2"]
    assert "win in 100 rounds" in out
    assert "risk of losing 1000 units" in out
    assert "give or take" in err


def test_exact_value_stands_beside_it_where_it_is_asked_for(file: Path) -> None:
    options = ("--rules", str(file), "--rounds", "1e4", "--seed", "1", "--inline", "--fresh-shoe")

    beside = answer(*options, "--exact")["exact"]
    out, _ = simulate(*options)

    assert answer(*options)["exact"] is None
    assert beside["same_game"] is True
    assert f"exact value {beside['ev']:+.4%}, for every round, each from a fresh shoe" in out


def test_schemas_are_printed_without_running_anything() -> None:
    assert json.loads(simulate("--schema")[0]) == schema_of("simulate")
    assert json.loads(simulate("--schema", "rules")[0]) == schema_of("rules")


@pytest.mark.parametrize(
    ("options", "repair"),
    [
        (("--rounds", "lots"), "write 100000000, 100_000_000 or 1e8"),
        (("--rounds", "1e12"), "Rounds must lie between"),
        (("--seed", "-5"), "The seed must lie between"),
        (("--seed", "1.5"), r"'1\.5' is no whole number for a seed: write 1\."),
        (("--target", "5"), "The target must lie between"),
        (("--target", "narrow"), "no half-width: write 0.0001 or 0.01%"),
        (("--workers", "0"), "--workers must be at least 1"),
        (("--decks", "9"), "decks must be a whole number from 0 to 8"),
        (("--decks", "six"), "decks must be a whole number from 0 to 8"),
        (("--penetration", "75"), "penetration must lie between 0.1 and 0.95"),
        (("--rounds-per-shoe", "0"), r"dealing\.rounds must be a whole number"),
        (("--double-on", "11"), 'double_on must be one of "any", "9-11", "10-11"'),
        (("--preset", "strip"), "did you mean strip-6d?"),
        (("--counting", "hilo"), "counting.system: .*did you mean hi-lo?"),
        (("--true-count", "floor"), "--true-count needs a count"),
        (("--plays", "fab-4"), "index_plays depend on a count: add counting"),
        (("--rules", "/no/such/file"), "--rules /no/such/file: No such file"),
        (("--schema", "everything"), "take one of rules, simulate, exact"),
    ],
)
def test_wrong_option_says_the_repair(options: tuple[str, ...], repair: str) -> None:
    with pytest.raises(CommandError, match=repair) as wrong:
        simulate(*options, "--inline")

    assert wrong.value.returncode == 1


def test_wrong_file_names_the_key(file: Path) -> None:
    file.write_text('{"dealer_peaks": true}')
    with pytest.raises(CommandError, match=r"no key dealer_peaks: did you mean dealer_peeks\?"):
        simulate("--rules", str(file), "--inline")

    cells = ", ".join(['"S"'] * 7 + ['"X"'] * 3)
    file.write_text(f'{{"strategy": {{"hard": {{"16": [{cells}]}}}}}}')
    with pytest.raises(
        CommandError, match=r"^strategy\.hard\.16 against 9: 'X' is no code; use one of"
    ):
        simulate("--rules", str(file), "--inline")

    file.write_text('{"decks": 6')
    with pytest.raises(CommandError, match=r"is no JSON: .* in line 1, column 12"):
        simulate("--rules", str(file), "--inline")

    file.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="is no UTF-8 text"):
        simulate("--rules", str(file), "--inline")


@pytest.mark.django_db
def test_failed_simulation_is_an_error_of_the_command(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start_and_fail(setup: Setup, **asked: Any) -> Simulation:
        del asked["seed"]
        simulation = Simulation.objects.create(
            rules=setup.to_dict(), seed=0, engine_version=ENGINE_VERSION, **asked
        )
        legs.stop(simulation, state=State.FAILED, reason="A chunk could not be counted.")
        return simulation

    monkeypatch.setattr(lifecycle, "start", start_and_fail)

    with pytest.raises(CommandError, match=r"The simulation is failed.*A chunk could not be"):
        simulate("--rules", str(file), "--rounds", "1e4")


def test_database_without_tables_is_told_with_the_repair(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Simulation:
        raise OperationalError("no such table: simulations_simulation")

    monkeypatch.setattr(lifecycle, "start", refuse)

    with pytest.raises(CommandError, match=r"\(no such table: .*\)\. `make up` sets one up"):
        simulate("--rules", str(file), "--rounds", "1e4")


def test_nothing_counted_for_a_while_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(start=0, step=4)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    err = StringIO()
    progress = told.Told(OutputWrapper(err), rounds=ROUNDS, target=None)

    progress.progress(Tally.total([]))
    progress.progress(Tally.total([]))
    assert err.getvalue() == ""

    progress.progress(Tally.total([]))
    progress.progress(Tally.total([]))
    assert err.getvalue() == f"{told.NOTHING_YET}\n"


@pytest.mark.django_db
def test_interrupt_says_that_jobs_go_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)

    with pytest.raises(CommandError, match="It goes on; see /simulations/"):
        simulate("--rules", str(file), "--rounds", "1e4")


def test_interrupt_inline_says_that_nothing_is_kept(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> Tally:
        raise KeyboardInterrupt

    monkeypatch.setattr(inline, "count_chunk", interrupt)

    with pytest.raises(CommandError, match="nothing goes on and nothing was kept"):
        simulate("--rules", str(file), "--rounds", "1e4", "--inline")
