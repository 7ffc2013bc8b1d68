"""The computed strategy against charts as they are published; docs/exact-values.md names them."""

from __future__ import annotations

from typing import Any

import pytest

from jost.simulations.engine.chart import PARTS, Chart
from jost.simulations.engine.rules import Rules
from jost.simulations.exact import Move, best_chart, chart_values

# Four to eight decks, S17, DAS, no surrender: against 2 to 10 and ace.
MANY_DECKS = {
    **dict.fromkeys(("5", "6", "7", "8"), "H H H H H H H H H H"),
    "9": "H D D D D H H H H H",
    "10": "D D D D D D D D H H",
    "11": "D D D D D D D D D H",
    "12": "H H S S S H H H H H",
    **dict.fromkeys(("13", "14", "15", "16"), "S S S S S H H H H H"),
    "17": "S S S S S S S S S S",
    **dict.fromkeys(("A2", "A3"), "H H H D D H H H H H"),
    **dict.fromkeys(("A4", "A5"), "H H D D D H H H H H"),
    "A6": "H D D D D H H H H H",
    "A7": "S Ds Ds Ds Ds S S H H H",
    **dict.fromkeys(("A8", "A9"), "S S S S S S S S S S"),
    **dict.fromkeys(("22", "33"), "P P P P P P N N N N"),
    "44": "N N N P P N N N N N",
    "55": "N N N N N N N N N N",
    "66": "P P P P P N N N N N",
    "77": "P P P P P P N N N N",
    "88": "P P P P P P P P P P",
    "99": "P P P P P N P P N N",
    "1010": "N N N N N N N N N N",
    "AA": "P P P P P P P P P P",
}
LATE_SURRENDER = {"15": "S S S S S H H H Rh H", "16": "S S S S S H H Rh Rh Rh"}
H17 = {
    "11": "D D D D D D D D D D",
    "A7": "Ds Ds Ds Ds Ds S S H H H",
    "A8": "S S S S Ds S S S S S",
}
H17_LATE_SURRENDER = {
    **LATE_SURRENDER,
    "15": "S S S S S H H H Rh Rh",
    "17": "S S S S S S S S S Rs",
    "88": "P P P P P P P P P Rp",
}
TWO_DECKS_H17 = {
    **H17,
    "9": "D D D D D H H H H H",
    "A3": "H H D D D H H H H H",
    "66": "P P P P P P N N N N",
    "77": "P P P P P P P N N N",
}
ONE_DECK_NO_DAS = {
    "8": "H H H D D H H H H H",
    "9": "D D D D D H H H H H",
    "11": "D D D D D D D D D D",
    **dict.fromkeys(("A2", "A3"), "H H D D D H H H H H"),
    "A6": "D D D D D H H H H H",
    "A7": "S Ds Ds Ds Ds S S H H S",
    "A8": "S S S S Ds S S S S S",
    "22": "N P P P P P N N N N",
    "33": "N N P P P P N N N N",
    "44": "N N N N N N N N N N",
}
NO_HOLE_CARD = {
    "11": "D D D D D D D D H H",
    "88": "P P P P P P P P N N",
    "AA": "P P P P P P P P P N",
}
EARLY_SURRENDER = {
    **dict.fromkeys(("5", "6", "7"), "H H H H H H H H H Rh"),
    "12": "H H S S S H H H H Rh",
    "13": "S S S S S H H H H Rh",
    **dict.fromkeys(("14", "15"), "S S S S S H H H Rh Rh"),
    "16": "S S S S S H H Rh Rh Rh",
    "17": "S S S S S S S S S Rs",
    # Two twos are hit, while other hands as low are given up.
    "22": "P P P P P P N N N H",
    "88": "P P P P P P P P Rp Rp",
}
PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "six decks, S17": ({}, {}),
    "eight decks, S17, late surrender": ({"decks": 8, "surrender": "late"}, LATE_SURRENDER),
    "six decks, H17, late surrender": (
        {"dealer_hits_soft_17": True, "surrender": "late"},
        {**H17, **H17_LATE_SURRENDER},
    ),
    "two decks, H17": ({"decks": 2, "dealer_hits_soft_17": True}, TWO_DECKS_H17),
    "one deck, S17, no DAS": ({"decks": 1, "double_after_split": False}, ONE_DECK_NO_DAS),
    "six decks, no hole card": ({"dealer_peeks": False}, NO_HOLE_CARD),
    "six decks, early surrender": ({"surrender": "early"}, EARLY_SURRENDER),
}


def rows_of(chart: Chart) -> dict[str, str]:
    return {name: " ".join(row) for rows in chart.parts.values() for name, row in rows.items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_chart_is_the_published_one_in_every_cell(name: str) -> None:
    rules, changes = PUBLISHED[name]

    assert rows_of(best_chart(Rules(**rules))) == MANY_DECKS | changes


def test_double_is_no_move_where_the_rules_forbid_it() -> None:
    rows = rows_of(best_chart(Rules(decks=0, double_on="10-11", max_hands=2)))

    assert {"D", "Ds"} & {
        code for name in ("9", *PARTS["soft"]) for code in rows[name].split()
    } == set()
    assert rows["10"] == MANY_DECKS["10"]


def test_chart_depends_on_no_rule_that_is_only_paid_or_dealt() -> None:
    one = chart_values(Rules(decks=0, blackjack_pays="6:5", seats=3))

    assert one is chart_values(Rules(decks=0, other_players=2))


def test_values_of_a_cell_say_why_its_move_is_best() -> None:
    cells = chart_values(Rules(decks=0, max_hands=2, surrender="late"))
    sixteen = cells["hard", "16", "10"]

    # Without a blackjack of the dealer's: published for an infinite shoe.
    assert sixteen.values[Move.HIT] == pytest.approx(-0.539826, abs=5e-7)
    assert sixteen.values[Move.STAND] == pytest.approx(-0.540430, abs=5e-7)
    assert sixteen.values[Move.SURRENDER] == pytest.approx(-0.5)
    assert sixteen.code == "Rh"
    for (part, _, _), cell in cells.items():
        if part != "pairs":
            best = max(cell.values, key=lambda move: cell.values[move])
            assert {"R": Move.SURRENDER, "D": Move.DOUBLE, "H": Move.HIT, "S": Move.STAND}[
                cell.code[0]
            ] is best
