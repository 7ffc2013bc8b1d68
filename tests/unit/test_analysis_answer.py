"""The answer of a run: described by its schema, the same bytes for the same tally, and no NaN."""

import json
from typing import Any

import jsonschema
import pytest

from jost.simulations import report
from jost.simulations.betting import Bankroll, Bets
from jost.simulations.engine import ENGINE_VERSION, Tally
from jost.simulations.exact import Exact
from jost.simulations.exports import counts_csv, payoffs_csv, to_json
from jost.simulations.schemas import schema_of
from jost.simulations.setup import Setup
from tests.simulated import CHART
from tests.tallied import A_GAME, counted_game, tally_of

VALIDATOR = jsonschema.Draft202012Validator(schema_of("simulate"))
MONEY: dict[str, Any] = {"bankroll": {"units": 1_000}}
KELLY = MONEY | {"bets": {"kelly": 0.5, "max_units": 20, "unit": 10}}
WONG = MONEY | {"bets": {"ramp": {"1": 2, "3": 8}, "wong_in": 2, "wong_out": 0}}


def setup_of(values: dict[str, Any]) -> Setup:
    return Setup.from_dict({"strategy": CHART, "counting": "hi-lo"} | values)


def answer_of(setup: Setup, tally: Tally, **rest: Any) -> dict[str, Any]:
    return report.answer(setup, tally, seed=1, engine_version=ENGINE_VERSION, **rest)


@pytest.mark.parametrize("values", [{}, MONEY, KELLY, WONG])
def test_answer_is_as_its_schema_says(values: dict[str, Any]) -> None:
    answer = answer_of(setup_of(values), counted_game(), target=0.001)

    assert [error.message for error in VALIDATOR.iter_errors(answer)] == []
    assert (answer["bankroll"] is None) is not bool(values)


def test_every_key_of_the_answers_schema_says_what_it_means() -> None:
    schema = schema_of("simulate")
    jsonschema.Draft202012Validator.check_schema(schema)

    said = [key for key, value in schema["properties"].items() if not value.get("description")]
    assert said == []


@pytest.mark.parametrize(
    "tally",
    [
        Tally(),
        tally_of({0: {1.0: 1}}),
        tally_of({0: {0.0: 2}}),
        tally_of({0: {1.0: 1}, 3: {-1.0: 1}}),
        tally_of({-20: {-8.0: 1, 8.0: 1}, 20: {1.5: 3}}),
    ],
    ids=["none", "one", "pushes", "two", "ends"],
)
@pytest.mark.parametrize("values", [KELLY, WONG])
def test_answer_of_few_rounds_says_null_and_never_nan(tally: Tally, values: dict[str, Any]) -> None:
    answer = answer_of(setup_of(values), tally)

    assert [error.message for error in VALIDATOR.iter_errors(answer)] == []
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_equal_tallies_give_equal_bytes() -> None:
    tally = counted_game()
    again = Tally.from_dict(json.loads(json.dumps(tally.to_dict())))

    assert to_json(answer_of(setup_of(WONG), again)) == to_json(answer_of(setup_of(WONG), tally))


def test_answer_says_whether_the_target_is_reached() -> None:
    setup, tally = setup_of({}), tally_of({0: A_GAME})
    reach = 1.96 * 1.154 / 100

    assert answer_of(setup, tally, target=reach * 1.01)["target_reached"] is True
    assert answer_of(setup, tally, target=reach * 0.99)["target_reached"] is False
    assert answer_of(setup, tally)["target_reached"] is None


def test_other_bets_are_answered_from_the_same_tally() -> None:
    setup, tally = setup_of({}), counted_game()

    other = report.whatif(
        setup, tally, bets=Bets.from_dict({"ramp": {"0": 1, "4": 10}}), bankroll=Bankroll(units=50)
    )
    asked = answer_of(
        setup_of({"bets": {"ramp": {"0": 1, "4": 10}}, "bankroll": {"units": 50}}), tally
    )

    assert other["bets"] == asked["bets"]
    assert other["bankroll"] == asked["bankroll"]
    assert other["bets"]["win_per_round"]["value"] > asked["ev"]


def exact_value(setup: Setup, *, ev: float) -> Exact:
    return Exact(
        rules=setup.game.rules,
        chart=setup.game.chart,
        ev=ev,
        sd=1.15,
        insurance=-0.07,
        blackjack=0.047,
        dealer={},
    )


def test_exact_value_stands_beside_the_simulated_one_with_their_difference() -> None:
    fixed = {"dealing": {"mode": "fixed_rounds", "rounds": 10}}
    setup = setup_of(fixed)
    counted = setup_of(fixed | {"index_plays": ["illustrious-18"]})
    exact = exact_value(setup, ev=-0.02)

    same = answer_of(setup, tally_of({0: A_GAME}), exact=exact)["exact"]
    other = answer_of(counted, tally_of({0: A_GAME}), exact=exact)["exact"]

    assert same["same_game"] is True
    # A_GAME is worth -142 bets in 10,000 rounds.
    assert same["difference"]["value"] == pytest.approx(0.0058)
    assert same["difference"]["low"] == pytest.approx(0.0058 - 1.96 * 0.01154, abs=2e-5)
    assert (other["same_game"], other["leaves_out"]) == (False, ["index_plays"])


def test_game_with_a_cut_card_is_held_against_a_fresh_shoe() -> None:
    setup = Setup.from_dict({"decks": 1, "strategy": CHART})

    exact = report.exact_of(setup)
    beside = answer_of(setup, tally_of({0: A_GAME}), exact=exact)["exact"]

    assert exact.rules.dealing.mode == "every_round"
    assert (beside["same_game"], beside["dealing"]) == (False, {"mode": "every_round"})
    assert "fresh shoe" in beside["holds_for"]


def test_exports_have_a_line_for_each_true_count_and_each_payoff() -> None:
    answer = answer_of(setup_of(KELLY), counted_game())

    counts = counts_csv(answer).split("\r\n")
    payoffs = payoffs_csv(answer).split("\r\n")

    assert counts[0].startswith("true_count,rounds,share,share_low")
    assert [line.split(",")[0] for line in counts[1:-1]] == [str(count) for count in range(-4, 7)]
    assert len(payoffs) == 2 + len(answer["payoffs"])
    assert json.loads(to_json(answer)) == answer


def test_export_of_a_run_without_rounds_is_its_first_line() -> None:
    answer = answer_of(setup_of({}), Tally())

    assert counts_csv(answer).count("\r\n") == 1
    assert payoffs_csv(answer) == "payoff,spots,share,share_low,share_high\r\n"
