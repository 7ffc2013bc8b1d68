"""A rules file: its normal form, and errors that name the key and the repair."""

import json
from typing import Any

import pytest

from jost.simulations.engine import RulesError
from jost.simulations.presets import PRESETS
from jost.simulations.rules_file import parse_rules_file
from jost.simulations.setup import HINTS, KEYS, Setup
from tests.simulated import CHART


def whole_file(**values: Any) -> dict[str, Any]:
    """With a whole strategy, so that nothing has to be computed."""
    return {"strategy": CHART, **values}


EVERYTHING = whole_file(
    decks=8,
    dealer_hits_soft_17=True,
    double_after_split=False,
    double_on="10-11",
    max_hands=2,
    resplit_aces=True,
    hit_split_aces=True,
    surrender="early",
    blackjack_pays="6:5",
    dealer_peeks=False,
    dealing={"mode": "fixed_rounds", "rounds": 9},
    seats=2,
    other_players=3,
    counting={"system": "hi-lo", "true_count": "truncate"},
    index_plays=["illustrious-18", {"hand": "A7", "upcard": "2", "at_least": 1, "play": "Ds"}],
    bets={"ramp": {"0": 1, "2": 8}, "wong_out": -1},
    bankroll={"units": 1000, "rounds": 50_000},
)


def test_what_is_left_out_has_its_default() -> None:
    values = Setup.from_dict(whole_file()).to_dict()

    assert {key: values[key] for key in KEYS if key not in {"strategy", "bets"}} == {
        "decks": 6,
        "dealer_hits_soft_17": False,
        "double_after_split": True,
        "double_on": "any",
        "max_hands": 4,
        "resplit_aces": False,
        "hit_split_aces": False,
        "surrender": "none",
        "blackjack_pays": "3:2",
        "dealer_peeks": True,
        "dealing": {"mode": "cut_card", "penetration": 0.75},
        "seats": 1,
        "other_players": 0,
        "counting": None,
        "index_plays": [],
        "bankroll": None,
    }
    assert values["bets"]["ramp"] == {"0": 1}


def test_normal_form_has_every_key_and_says_the_same_again() -> None:
    setup = Setup.from_dict(EVERYTHING)

    values = setup.to_dict()

    assert list(values) == list(KEYS)
    assert Setup.from_dict(values) == setup
    assert json.loads(json.dumps(values)) == values
    assert {key: values[key] for key in EVERYTHING if key != "bets"} == {
        key: EVERYTHING[key] for key in EVERYTHING if key not in {"bets", "bankroll"}
    } | {"bankroll": {"units": 1000, "hours": None, "rounds": 50_000}}


def test_null_is_the_same_as_left_out() -> None:
    optional = ("counting", "index_plays", "bets", "bankroll")

    assert Setup.from_dict(whole_file(**dict.fromkeys(optional))) == Setup.from_dict(whole_file())


def test_rows_left_out_are_computed_for_these_rules() -> None:
    own = Setup.from_dict({"strategy": {"hard": {"16": ["S"] * 10}}})
    computed = Setup.from_dict({"strategy": None})

    assert set(own.game.chart.hard["16"]) == {"S"}
    assert own.game.chart.hard["11"] == computed.game.chart.hard["11"]
    assert own.game.chart.pairs == computed.game.chart.pairs
    assert str(computed.game.chart.code("11", upcard="6")) == "D"
    assert str(computed.game.chart.code("88", upcard="10")) == "P"


def test_whole_strategy_costs_no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(rules: object) -> None:
        raise AssertionError("computed a chart that is given")

    monkeypatch.setattr("jost.simulations.exact.best_chart", refuse)

    Setup.from_dict(whole_file(decks=2))


def test_setup_is_said_as_an_analyst_would() -> None:
    assert str(Setup.from_dict(whole_file())) == "6 decks, S17, DAS, 75% dealt"
    assert str(Setup.from_dict(EVERYTHING)) == (
        "8 decks, H17, no DAS, double on 10-11, 2 hands, resplit aces, hit split aces, early "
        "surrender, blackjack pays 6:5, no hole card, 2 spots, 3 other players, 9 rounds per "
        "shoe, Hi-Lo, 18 index plays, insurance by count"
    )


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"dekcs": 6}, "dekcs", "There is no key dekcs: did you mean decks?"),
        ({"h17": True}, "h17", "There is no key h17: say dealer_hits_soft_17."),
        ({"penetration": 0.8}, "penetration", 'say dealing: {"mode": "cut_card", "penetration"'),
        ({"xyz": 1}, "xyz", "There is no key xyz: take one of decks, dealer_hits_soft_17"),
        ({"decks": 9}, "decks", "decks must be a whole number from 0 to 8."),
        ({"decks": "six"}, "decks", "decks must be a whole number"),
        ({"decks": 6.5}, "decks", "decks must be a whole number"),
        ({"decks": True}, "decks", "decks must be a whole number"),
        ({"dealer_peeks": "no"}, "dealer_peeks", "dealer_peeks must be true or false"),
        ({"double_on": "9+"}, "double_on", 'one of "any", "9-11", "10-11"; it is \'9+\''),
        ({"double_on": ["any"]}, "double_on", "it is ['any']"),
        ({"max_hands": 5}, "max_hands", "max_hands must be a whole number from 2 to 4"),
        ({"surrender": True}, "surrender", 'one of "none", "late", "early"; it is True'),
        ({"blackjack_pays": 1.5}, "blackjack_pays", 'one of "3:2", "6:5", "1:1"; it is 1.5'),
        ({"seats": 8}, "seats", "seats must be a whole number from 1 to 7"),
        ({"seats": 5, "other_players": 3}, "other_players", "from 0 to 2: with seats they are 7"),
        ({"seats": 7, "other_players": 1}, "other_players", "other_players must be 0: with seats"),
        ({"dealing": "cut"}, "dealing", "dealing must be an object such as"),
        ({"dealing": {"mode": "cut_crad"}}, "dealing.mode", "dealing.mode must be one of"),
        ({"dealing": {"penetration": 75}}, "dealing.penetration", "between 0.1 and 0.95"),
        ({"dealing": {"penetration": "x"}}, "dealing.penetration", "between 0.1 and 0.95"),
        ({"dealing": {"pen": 0.7}}, "dealing.pen", "There is no key dealing.pen"),
        ({"dealing": {"mode": "fixed_rounds"}}, "dealing.rounds", "dealing.rounds is missing"),
        (
            {"dealing": {"mode": "fixed_rounds", "rounds": 99}},
            "dealing.rounds",
            "from 1 to 44: with more, the shoe could run out of cards.",
        ),
        (
            {"decks": 1, "seats": 7, "dealing": {"mode": "fixed_rounds", "rounds": 2}},
            "dealing.rounds",
            "must be 1: with more",
        ),
        (
            {"dealing": {"mode": "every_round", "penetration": 0.5}},
            "dealing.penetration",
            "belongs to the mode cut_card",
        ),
        ({"counting": "hilo"}, "counting.system", "did you mean hi-lo?"),
        ({"counting": "ko", "decks": 0}, "counting", "nothing can be counted in an infinite"),
        ({"index_plays": ["fab-4"]}, "index_plays", "add counting"),
        (
            {"counting": "zen", "index_plays": ["fab-4"]},
            "index_plays.0",
            "fab-4 are the indices of Hi-Lo, which are wrong for Zen",
        ),
        ({"strategy": {"hard": {"16": ["X"] * 10}}}, "strategy.hard.16.2", "'X' is no code"),
        ({"bets": {"ramp": {"0": 1, "2": 5}}}, "bets", "bets depend on a count: add counting"),
        ({"bets": 5}, "bets", "bets must be an object"),
        ({"bankroll": {}}, "bankroll.units", "bankroll.units is missing"),
    ],
)
def test_wrong_value_names_the_key_and_the_repair(
    values: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(RulesError) as wrong:
        Setup.from_dict(whole_file(**values))

    assert wrong.value.field == field
    assert message in str(wrong.value)


@pytest.mark.parametrize("values", [None, 5, "decks", [1]])
def test_rules_file_is_an_object(values: object) -> None:
    with pytest.raises(RulesError, match="one object"):
        Setup.from_dict(values)


def test_hints_lead_to_keys_that_there_are() -> None:
    for wrong, hint in HINTS.items():
        assert wrong not in KEYS
        assert hint.split(":")[0] in KEYS


def test_plays_of_another_system_are_written_out_even_if_they_are_those_of_hi_lo() -> None:
    one_by_one = [
        play.to_dict()
        for play in Setup.from_dict(whole_file(counting="hi-lo", index_plays=["fab-4"])).game.plays
    ]
    setup = Setup.from_dict(whole_file(counting="zen", index_plays=one_by_one))

    assert setup.to_dict()["index_plays"] == one_by_one
    assert Setup.from_dict(setup.to_dict()) == setup


def test_whole_number_may_be_written_with_a_point() -> None:
    asked = '{"decks": 6.0, "max_hands": 0.3e1, "dealing": {"mode": "fixed_rounds", "rounds": 9.0}}'

    setup = Setup.from_dict(parse_rules_file(asked) | {"strategy": CHART})

    assert (
        setup.to_dict()
        == Setup.from_dict(
            whole_file(decks=6, max_hands=3, dealing={"mode": "fixed_rounds", "rounds": 9})
        ).to_dict()
    )
    with pytest.raises(RulesError, match="decks must be a whole number"):
        Setup.from_dict(parse_rules_file('{"decks": 6.5}'))
    assert parse_rules_file('{"decks": 1e300}') == {"decks": 1e300}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"decks": 6', "The rules file is no JSON: .* in line 1, column 12"),
        ("[6]", "one object"),
        ('{"decks": 6, "decks": 8}', "decks is there twice: leave one out"),
        ('{"decks": NaN}', "NaN is no number that a rules file can have"),
        ("[" * 100_000, "nested too deeply"),
        ('{"decks": ' + "9" * 10_000 + "}", "a number with thousands of digits"),
    ],
)
def test_text_that_is_no_rules_file_says_why(text: str, message: str) -> None:
    with pytest.raises(RulesError, match=message):
        parse_rules_file(text)


def test_presets_have_keys_names_and_rules_of_their_own() -> None:
    assert len(PRESETS) >= 14
    assert len({preset.name for preset in PRESETS.values()}) == len(PRESETS)
    assert len({str(preset.rules) for preset in PRESETS.values()}) == len(PRESETS)
    for key, preset in PRESETS.items():
        assert preset.key == key
        assert preset.sentence.endswith(".")
        assert Setup.from_dict(whole_file(**preset.to_dict()["rules"])).rules == preset.rules
