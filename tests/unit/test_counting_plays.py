"""Index plays: what they say together at each count, and how a wrong one is refused."""

from typing import Any

import pytest

from jost.simulations.engine.chart import PARTS, UPCARDS, Chart, read_rows
from jost.simulations.engine.plays import (
    FAB_4,
    ILLUSTRIOUS_18,
    IndexPlay,
    chart_at,
    insurance_index,
    plays_to_list,
    read_plays,
)
from jost.simulations.engine.rules import RulesError


def chart_of(**rows: str) -> Chart:
    """Hits everything but in the rows given, as words: hard_16="S S S S S H H H Rh Rh"."""
    values = {part: {name: ["H"] * 10 for name in names} for part, names in PARTS.items()}
    for row, codes in rows.items():
        part, hand = row.split("_")
        values[part][hand] = codes.split() if " " in codes else [codes] * 10
    return Chart.from_rows(read_rows(values))


def play(hand: str, upcard: str, code: str, **bound: int) -> dict[str, Any]:
    return {"hand": hand, "upcard": upcard, "play": code, **bound}


@pytest.mark.parametrize(
    ("hand", "upcard", "index", "below", "from_on"),
    [
        ("16", "10", 0, "H", "S"),
        ("15", "10", 4, "H", "S"),
        ("10", "A", 4, "H", "D"),
        ("9", "7", 3, "H", "D"),
        ("12", "2", 3, "H", "S"),
        ("1010", "5", 5, "S", "P"),
        ("13", "3", -2, "H", "S"),
        ("12", "4", 0, "H", "S"),
    ],
)
def test_illustrious_play_changes_at_its_index(
    hand: str, upcard: str, index: int, below: str, from_on: str
) -> None:
    basic = chart_of(hard_12="H H S S S H H H H H", hard_13="S S S S S H H H H H", pairs_1010="S")

    def code(count: int) -> str:
        return chart_at(basic, ILLUSTRIOUS_18, count=count).code(hand, upcard=upcard)

    assert [code(index - 1), code(index), code(index + 1)] == [below, from_on, from_on]


def test_named_sets_have_the_plays_of_their_names() -> None:
    assert len(ILLUSTRIOUS_18) == 18
    assert len(FAB_4) == 4
    assert insurance_index(ILLUSTRIOUS_18) == 3
    assert insurance_index(FAB_4) is None


def test_only_its_cell_is_changed() -> None:
    basic = chart_of()

    changed = chart_at(basic, read_plays([play("A7", "A", "S", at_least=1)]), count=1)

    assert changed.code("A7", upcard="A") == "S"
    assert (
        sum(code != "H" for rows in changed.parts.values() for row in rows.values() for code in row)
        == 1
    )
    assert chart_at(changed, (), count=5) == changed


@pytest.mark.parametrize(("count", "code"), [(-1, "H"), (0, "Rh"), (3, "Rh"), (4, "Rs"), (9, "Rs")])
@pytest.mark.parametrize("in_chart", ["H", "Rh"])
@pytest.mark.parametrize("sets", [["illustrious-18", "fab-4"], ["fab-4", "illustrious-18"]])
def test_surrender_and_stand_go_together_in_any_order(
    count: int, code: str, in_chart: str, sets: list[str]
) -> None:
    basic = chart_of(hard_15=in_chart)

    assert chart_at(basic, read_plays(sets), count=count).code("15", upcard="10") == code


def test_stand_by_count_leaves_the_surrender_of_the_chart() -> None:
    basic = chart_of(hard_16="Rh")

    at_zero = chart_at(basic, ILLUSTRIOUS_18, count=0)
    below = chart_at(basic, ILLUSTRIOUS_18, count=-1)

    assert at_zero.code("16", upcard="10") == "Rs"
    assert below.code("16", upcard="10") == "Rh"


@pytest.mark.parametrize(
    ("in_chart", "played", "code"),
    [
        ("Rh", "D", "Rh"),
        ("Rh", "Ds", "Rs"),
        ("Rp", "N", "N"),
        ("Rp", "H", "Rh"),
        ("Rs", "P", "Rp"),
    ],
)
def test_surrender_keeps_what_is_nearest_to_the_play(in_chart: str, played: str, code: str) -> None:
    basic = chart_of(hard_16="S", pairs_88=in_chart)

    changed = chart_at(basic, read_plays([play("88", "10", played, at_least=2)]), count=2)

    assert changed.code("88", upcard="10") == code


def test_later_play_of_the_same_kind_replaces_the_earlier() -> None:
    plays = read_plays(["illustrious-18", play("16", "10", "S", at_least=2)])

    assert len(plays) == 18
    assert chart_at(chart_of(), plays, count=1).code("16", upcard="10") == "H"
    assert chart_at(chart_of(), plays, count=2).code("16", upcard="10") == "S"


def test_play_may_change_twice_with_the_count() -> None:
    plays = read_plays([play("10", "9", "H", below=-1), play("10", "9", "S", at_least=5)])
    basic = chart_of(hard_10="D")

    codes = [chart_at(basic, plays, count=count).code("10", upcard="9") for count in (-2, -1, 4, 5)]

    assert codes == ["H", "D", "D", "S"]


def test_whole_sets_keep_their_names_and_others_are_written_out() -> None:
    given = ["illustrious-18", play("A2", "5", "D", at_least=-2), "fab-4"]

    plays = read_plays(given)

    assert plays_to_list(plays) == given
    assert read_plays(plays_to_list(plays, named=False)) == plays


def test_numbers_are_as_good_as_their_names() -> None:
    (one,) = read_plays([{"hand": 16, "upcard": 10, "at_least": 0, "play": "S"}])

    assert (one.hand, one.upcard) == ("16", "10")
    assert str(one) == "16 against 10: S at +0 or more"
    assert str(IndexPlay(hand="insurance", index=3)) == "insurance at +3 or more"


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ("illustrious", "index_plays.0", "did you mean illustrious-18?"),
        (5, "index_plays.0", "index_plays.0 must be a name such as illustrious-18, fab-4"),
        ({"hnd": "16"}, "index_plays.0.hnd", "did you mean hand?"),
        (play("19", "10", "S", at_least=0), "index_plays.0.hand", "hand is '19'"),
        ({"upcard": "10"}, "index_plays.0.hand", "hand is missing"),
        (play("16", "T", "S", at_least=0), "index_plays.0.upcard", "upcard is 'T'"),
        (play("16", "10", "S"), "index_plays.0.at_least", "either at_least or below"),
        (play("16", "10", "S", below=1, at_least=0), "index_plays.0.at_least", "either at_least"),
        (play("16", "10", "S", at_least=21), "index_plays.0.at_least", "from -20 to 20"),
        (play("16", "10", "X", at_least=0), "index_plays.0.play", "'X' is no code"),
        (play("16", "10", "P", at_least=0), "index_plays.0.play", "'P' is for pairs"),
        (
            {"hand": "insurance", "upcard": "A", "at_least": 3},
            "index_plays.0.upcard",
            "always against an ace",
        ),
        ({"hand": "insurance", "below": 3}, "index_plays.0.below", "use at_least"),
    ],
)
def test_wrong_play_names_the_key_and_the_repair(value: object, field: str, message: str) -> None:
    with pytest.raises(RulesError) as wrong:
        read_plays([value])

    assert wrong.value.field == field
    assert message in str(wrong.value)


@pytest.mark.parametrize("value", ["illustrious-18", {"hand": "16"}, ["fab-4"] * 1001])
def test_plays_are_a_list_of_reasonable_length(value: object) -> None:
    with pytest.raises(RulesError, match="index_plays"):
        read_plays(value)


def test_every_upcard_can_have_a_play() -> None:
    plays = read_plays([play("16", upcard, "S", at_least=0) for upcard in UPCARDS])

    assert chart_at(chart_of(), plays, count=0).hard["16"] == chart_of(hard_16="S").hard["16"]
