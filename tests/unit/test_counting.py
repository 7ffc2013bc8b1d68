"""Counting systems as data: the seven known ones and those of users."""

from statistics import correlation
from typing import Any

import pytest

from jost.simulations.engine.counting import CARDS, SYSTEMS, Count
from jost.simulations.engine.rules import RulesError

ZEROS = dict.fromkeys(CARDS, 0)
ACE_FIVE: dict[str, Any] = {"name": "ace-five", "tags": ZEROS | {"A": -1, "5": 1}}


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "ko"])
def test_balanced_system_ends_a_deck_where_it_began(name: str) -> None:
    tags = SYSTEMS[name].tags

    assert 4 * sum(tags[:9]) + 16 * tags[9] == 0
    assert SYSTEMS[name].initial_at(6) == 0


@pytest.mark.parametrize("decks", range(1, 9))
def test_ko_ends_every_shoe_at_its_pivot(decks: int) -> None:
    ko = SYSTEMS["ko"]

    assert ko.initial_at(decks) == -4 * (decks - 1)
    assert ko.initial_at(decks) + decks * (4 * sum(ko.tags[:9]) + 16 * ko.tags[9]) == 4


def test_wong_halves_counts_in_halves() -> None:
    halves = SYSTEMS["wong-halves"]

    assert [tag / halves.scale for tag in halves.tags] == [
        -1, 0.5, 1, 1, 1.5, 1, 0.5, 0, -0.5, -1,
    ]  # fmt: skip


# Percent of the edge that a removed card gives, ace first: Griffin, "The Theory of Blackjack",
# one deck. Betting correlations as tables of counting systems have them.
REMOVED = (-0.61, 0.38, 0.44, 0.55, 0.69, 0.46, 0.28, 0.0, -0.18, -0.51)
BETTING = {
    "hi-lo": 0.97,
    "ko": 0.98,
    "hi-opt-i": 0.88,
    "hi-opt-ii": 0.91,
    "omega-ii": 0.92,
    "zen": 0.96,
    "wong-halves": 0.99,
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_betting_correlation_is_the_published_one(name: str) -> None:
    tags = [*SYSTEMS[name].tags, *[SYSTEMS[name].tags[9]] * 3]

    assert correlation(tags, [*REMOVED, *[REMOVED[9]] * 3]) == pytest.approx(
        BETTING[name], abs=0.006
    )


@pytest.mark.parametrize("name", SYSTEMS)
def test_name_alone_is_enough(name: str) -> None:
    count = Count.from_value(name)

    assert count == SYSTEMS[name]
    assert Count.from_value(count.to_dict()) == count
    assert count.to_dict()["system"] == name


def test_true_count_may_be_truncated() -> None:
    count = Count.from_value({"system": "hi-lo", "true_count": "truncate"})

    assert (count.rounding, count.divided) == ("truncate", True)
    assert Count.from_value(count.to_dict()) == count


def test_own_tags_may_be_halves() -> None:
    own: dict[str, Any] = {"name": "mine", "tags": ZEROS | {"5": 1.5, "10": -1}}

    count = Count.from_value(own)

    assert count.scale == 2
    assert count.tags == (0, 0, 0, 0, 3, 0, 0, 0, 0, -2)
    assert Count.from_value(count.to_dict()) == count
    assert count.to_dict()["tags"] == own["tags"]


def test_own_unbalanced_system_says_where_it_begins() -> None:
    count = Count.from_value(
        ACE_FIVE | {"true_count": "none", "initial": 3, "initial_per_deck": -2}
    )

    assert count.initial_at(6) == -9
    assert not count.divided
    assert Count.from_value(count.to_dict()) == count


@pytest.mark.parametrize(
    ("value", "is_hi_lo"),
    [
        ("hi-lo", True),
        ({"system": "hi-lo", "true_count": "truncate"}, True),
        ({"system": "hi-lo", "true_count": "none"}, False),
        ("ko", False),
        ("zen", False),
        ({"tags": ZEROS | dict.fromkeys("23456", 1) | {"10": -1, "A": -1}}, True),
        (
            {"tags": ZEROS | dict.fromkeys("23456", 1) | {"10": -1, "A": -1}, "initial": 1},
            False,
        ),
    ],
)
def test_indices_of_hi_lo_are_for_what_counts_like_it(value: object, *, is_hi_lo: bool) -> None:
    assert Count.from_value(value).is_hi_lo is is_hi_lo


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ("hilo", "counting.system", "There is no counting system hilo: did you mean hi-lo?"),
        (7, "counting", 'counting must be null, a name such as "hi-lo"'),
        ({"system": "ko", "true_count": "floor"}, "counting.true_count", "must be none for ko"),
        ({"system": "zen", "tags": ZEROS}, "counting.tags", "There is no key counting.tags"),
        ({"sytem": "zen"}, "counting.sytem", "did you mean system?"),
        ({"name": "x"}, "counting.tags", "counting.tags must be an object with a number for each"),
        ({"tags": {"A": -1}}, "counting.tags.2", "counting.tags.2 is missing: give every card"),
        ({"tags": ZEROS}, "counting.tags", "counting.tags are all 0"),
        ({"tags": ZEROS | {"J": -1}}, "counting.tags.J", "There is no key counting.tags.J"),
        (
            {"tags": ZEROS | {"7": 0.25}},
            "counting.tags.7",
            "counting.tags.7 must be a whole or half number from -5 to 5; it is 0.25.",
        ),
        ({"tags": ZEROS | {"7": 6}}, "counting.tags.7", "from -5 to 5; it is 6."),
        ({"tags": ZEROS | {"7": float("inf")}}, "counting.tags.7", "it is inf."),
        ({"tags": ZEROS | {"7": True}}, "counting.tags.7", "it is True."),
        (ACE_FIVE | {"true_count": "round"}, "counting.true_count", "floor, truncate, none"),
        (ACE_FIVE | {"name": "zen"}, "counting.name", 'say {"system": "zen"}'),
        (ACE_FIVE | {"name": " "}, "counting.name", "a text of 1 to 40 characters"),
        (ACE_FIVE | {"name": "a\0b"}, "counting.name", "all of them visible"),
        (ACE_FIVE | {"name": "\ud800"}, "counting.name", "all of them visible"),
        (ACE_FIVE | {"initial": 0.5}, "counting.initial", "a whole number from -100 to 100"),
    ],
)
def test_wrong_system_names_the_key_and_the_repair(value: object, field: str, message: str) -> None:
    with pytest.raises(RulesError) as wrong:
        Count.from_value(value)

    assert wrong.value.field == field
    assert message in str(wrong.value)
