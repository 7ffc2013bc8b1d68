"""The schema of rules files and the reader of rules files say the same."""

from typing import Any

import jsonschema
import pytest

from jost.simulations.engine import RulesError
from jost.simulations.engine.chart import PARTS
from jost.simulations.engine.counting import SYSTEMS
from jost.simulations.presets import PRESETS
from jost.simulations.schemas import schema_of
from jost.simulations.setup import KEYS, Setup
from tests.simulated import CHART

SCHEMA = schema_of("rules")
PLAY: dict[str, Any] = {"hand": "16", "upcard": "10", "play": "S"}
TAGS: dict[str, Any] = {"A": -1, "2": 0.5} | dict.fromkeys(
    ("3", "4", "5", "6", "7", "8", "9", "10"), 0
)


def is_read(values: dict[str, Any]) -> bool:
    try:
        Setup.from_dict({"strategy": CHART} | values)
    except RulesError:
        return False
    return True


def is_valid(values: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(values)


def test_schema_is_one_and_has_the_keys_that_are_read() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert list(SCHEMA["properties"]) == list(KEYS)
    chart = SCHEMA["properties"]["strategy"]["anyOf"][1]["properties"]
    assert {part: list(chart[part]["properties"]) for part in PARTS} == {
        part: list(names) for part, names in PARTS.items()
    }
    assert SCHEMA["$defs"]["system"]["enum"] == list(SYSTEMS)


def test_every_key_says_what_it_means() -> None:
    assert [key for key in KEYS if not SCHEMA["properties"][key].get("description")] == []


def test_defaults_of_the_schema_are_those_of_the_reader() -> None:
    normal = Setup.from_dict({"strategy": CHART}).to_dict()

    for key in set(KEYS) - {"strategy", "bets"}:
        assert SCHEMA["properties"][key]["default"] == normal[key], key


@pytest.mark.parametrize("key", PRESETS)
def test_normal_form_of_every_preset_is_valid(key: str) -> None:
    values = PRESETS[key].rules.to_dict() | {"strategy": CHART}

    jsonschema.validate(Setup.from_dict(values).to_dict(), SCHEMA)


GOOD: list[dict[str, Any]] = [
    {},
    {"decks": 0, "max_hands": 2},
    {"dealing": {"mode": "cut_card"}},
    {"dealing": {"mode": "fixed_rounds", "rounds": 44}},
    {"dealing": {"mode": "every_round"}},
    {"counting": None, "index_plays": None, "bets": None, "bankroll": None},
    {"counting": "wong-halves"},
    {"counting": {"system": "hi-lo", "true_count": "truncate"}},
    {"counting": {"tags": TAGS, "true_count": "none", "initial": 4, "initial_per_deck": -4}},
    {"counting": "hi-lo", "index_plays": ["illustrious-18", PLAY | {"below": 3}]},
    {"counting": "hi-lo", "index_plays": [{"hand": 88, "upcard": 10, "at_least": 1, "play": "N"}]},
    {"counting": "hi-lo", "index_plays": [{"hand": "insurance", "at_least": 3}]},
    {"counting": "hi-lo", "bets": {"ramp": {"-1": 0, "1": 2.5}, "wong_in": 1}},
    {
        "counting": "hi-lo",
        "bets": {"kelly": 0.5, "max_units": 20},
        "bankroll": {"units": 500, "hours": 100},
    },
]
BAD: list[dict[str, Any]] = [
    {"decks": 9},
    {"decks": "6"},
    {"dealer_peeks": 1},
    {"double_on": "9-10"},
    {"surrender": "sometimes"},
    {"unknown": 1},
    {"dealing": {"mode": "cut_card", "penetration": 0.99}},
    {"dealing": {"mode": "fixed_rounds"}},
    {"dealing": {"mode": "every_round", "rounds": 1}},
    {"strategy": {"hard": {"16": ["P"] * 10}}},
    {"strategy": {"hard": {"16": ["H"] * 9}}},
    {"strategy": {"soft": {"A10": ["H"] * 10}}},
    {"counting": "hilo"},
    {"counting": {"system": "hi-lo", "tags": TAGS}},
    {"counting": {"tags": TAGS | {"3": 0.25}}},
    {"counting": {"tags": {"A": 1}}},
    {"counting": "hi-lo", "index_plays": ["fab-5"]},
    {"counting": "hi-lo", "index_plays": [PLAY]},
    {"counting": "hi-lo", "index_plays": [PLAY | {"below": 1, "at_least": 2}]},
    {"counting": "hi-lo", "index_plays": [PLAY | {"below": 99}]},
    {"counting": "hi-lo", "index_plays": [PLAY | {"below": 1, "play": "P"}]},
    {"bets": {"unknown": 1}},
    {"bets": {"ramp": {"x": 1}}},
    {"bankroll": {"hours": 5}},
]


@pytest.mark.parametrize("values", GOOD, ids=str)
def test_what_is_read_is_valid(values: dict[str, Any]) -> None:
    assert is_read(values)
    assert is_valid(values)


@pytest.mark.parametrize("values", BAD, ids=str)
def test_what_is_refused_is_not_valid(values: dict[str, Any]) -> None:
    assert not is_read(values)
    assert not is_valid(values)
