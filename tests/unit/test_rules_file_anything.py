"""Whatever stands in a rules file: it is read, and read again the same, or refused by its key."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jost.simulations.charts import read_chart_csv
from jost.simulations.engine import RulesError
from jost.simulations.engine.chart import UPCARDS
from jost.simulations.engine.counting import CARDS, SYSTEMS
from jost.simulations.engine.plays import HANDS, KEYS
from jost.simulations.setup import Setup
from tests.simulated import CHART

FILE: dict[str, Any] = {
    "decks": 6,
    "dealer_hits_soft_17": True,
    "double_on": "any",
    "max_hands": 4,
    "surrender": "late",
    "blackjack_pays": "3:2",
    "dealing": {"mode": "cut_card", "penetration": 0.75},
    "seats": 2,
    "other_players": 1,
    "strategy": CHART,
    "counting": {"name": "own", "tags": dict.fromkeys(CARDS, 1), "true_count": "floor"},
    "index_plays": [
        {"hand": "16", "upcard": "10", "at_least": 0, "play": "S"},
        {"hand": "insurance", "at_least": 3},
    ],
    "bets": {"ramp": {"0": 1, "2": 4}, "wong_in": 1, "wong_out": -1, "unit": 10},
    "bankroll": {"units": 1000, "rounds": 10_000},
}
WORDS = st.sampled_from(
    [*HANDS, *UPCARDS, *KEYS, *SYSTEMS, *FILE, "H", "P", "floor", "cut_card", "3:2", "fab-4"]
)
NUMBERS = st.integers(-3, 12) | st.sampled_from([0.5, 0.75, -0.5, 1e300, -1e300, 10**30])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def places(value: object, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to everything inside a value."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [way, *(place for key in keys for place in places(value[key], (*way, key)))]  # type: ignore[index]  # a dict or a list


# Of the chart a few: it is most of the file.
PLACES = [way for way in places(FILE)[1:] if way[0] != "strategy"]
PLACES += [way for way in places({"strategy": CHART}) if way[-1:] in {("strategy",), ("16",), (3,)}]


@settings(max_examples=400, deadline=None)
@given(way=st.sampled_from(PLACES), value=JSON, key=st.none() | WORDS)
def test_anything_is_read_or_refused_by_its_key(
    way: tuple[Any, ...], value: object, key: str | None
) -> None:
    values = copy.deepcopy(FILE)
    inside: Any = values
    for step in way[:-1]:
        inside = inside[step]
    if key is not None and isinstance(inside, dict):
        inside[key] = value
    else:
        inside[way[-1]] = value
    if isinstance(values.get("strategy"), dict):
        # Rows that are missing would be computed, which is another test's matter.
        for part, rows in CHART.items():
            given_rows = values["strategy"].setdefault(part, {})
            if isinstance(given_rows, dict):
                values["strategy"][part] = rows | given_rows
    else:
        values["strategy"] = CHART

    setup, wrong = read(values)

    if setup is None:
        assert wrong is not None
        assert wrong.field
        assert len(str(wrong)) < 700
    else:
        normal = setup.to_dict()
        assert Setup.from_dict(json.loads(json.dumps(normal))) == setup
        assert Setup.from_dict(normal).to_dict() == normal


def read(values: object) -> tuple[Setup | None, RulesError | None]:
    try:
        return Setup.from_dict(values), None
    except RulesError as wrong:
        return None, wrong


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.lists(WORDS | st.just("\n"), max_size=40).map(",".join))
def test_any_spreadsheet_is_read_or_refused(text: str) -> None:
    try:
        chart = read_chart_csv(text)
    except RulesError:
        chart = {}

    assert all(len(row) == 10 for rows in chart.values() for row in rows.values())
