"""A player's own chart: from JSON or a spreadsheet, with every wrong cell called by its name."""

import json

import pytest

from jost.simulations.charts import chart_to_csv, read_chart_csv, read_strategy
from jost.simulations.engine.chart import (
    PARTS,
    UPCARDS,
    Chart,
    Code,
    missing_rows,
    read_rows,
)
from jost.simulations.engine.rules import RulesError

TEN_HITS = ["H"] * 10


def every_row(**cells: str) -> Chart:
    """Stands on everything, but for "H16_10" style cells given by name."""
    values = {part: {name: ["S"] * 10 for name in names} for part, names in PARTS.items()}
    for cell, code in cells.items():
        part, hand, upcard = cell.split("_")
        values[part][hand][UPCARDS.index(upcard)] = code
    return Chart.from_rows(read_rows(values))


def test_cell_is_found_by_hand_and_upcard() -> None:
    chart = every_row(hard_16_10="Rh", soft_A7_A="Ds", pairs_1010_6="P")

    assert chart.code("16", upcard="10") is Code.SURRENDER_OR_HIT
    assert chart.code("A7", upcard="A") is Code.DOUBLE_OR_STAND
    assert chart.code("1010", upcard="6") is Code.SPLIT
    assert chart.code("16", upcard="9") is Code.STAND


def test_whole_chart_survives_a_rules_file() -> None:
    chart = every_row(hard_11_A="D", pairs_88_A="Rp", pairs_55_2="N")

    assert Chart.from_rows(read_rows(chart.to_dict())) == chart


def test_rows_left_out_come_from_the_rest_and_are_named() -> None:
    rows = read_rows({"hard": {"16": TEN_HITS}, "soft": {}})

    chart = Chart.from_rows(rows, rest=every_row())

    assert chart.hard["16"] == (Code.HIT,) * 10
    assert chart.hard["15"] == chart.pairs["AA"] == (Code.STAND,) * 10
    missing = missing_rows(rows)
    assert "hard.16" not in missing
    assert len(missing) == sum(len(names) for names in PARTS.values()) - 1
    assert list(chart.hard) == list(PARTS["hard"])


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        (
            {"hard": {"16": ["S"] * 8 + ["X", "H"]}},
            "strategy.hard.16.10",
            "strategy.hard.16 against 10: 'X' is no code; use one of H, S, D, Ds, Rh, Rs.",
        ),
        (
            {"pairs": {"88": ["P"] * 9 + ["p"]}},
            "strategy.pairs.88.A",
            "strategy.pairs.88 against A: 'p' is no code; use one of H, S, D, Ds, P, N, Rh, Rs, Rp.",
        ),
        (
            {"hard": {"16": ["P"] * 10}},
            "strategy.hard.16.2",
            "strategy.hard.16 against 2: 'P' is for pairs; use one of H, S, D, Ds, Rh, Rs.",
        ),
        (
            {"soft": {"A7": [None] * 10}},
            "strategy.soft.A7.2",
            "strategy.soft.A7 against 2: None is no code; use one of H, S, D, Ds, Rh, Rs.",
        ),
        (
            {"hard": {"16": TEN_HITS[:-1]}},
            "strategy.hard.16",
            "strategy.hard.16 has 9 codes; give ten, for the dealer's 2 to 10 and ace.",
        ),
        (
            {"hard": {"16": "HHHHHHHHHH"}},
            "strategy.hard.16",
            "strategy.hard.16 must be a list of ten codes, for the dealer's 2 to 10 and ace.",
        ),
        (
            {"pairs": {"TT": TEN_HITS}},
            "strategy.pairs.TT",
            "strategy.pairs has no row TT: take one of 22, 33, 44, 55, 66, 77, 88, 99, 1010, AA.",
        ),
        (
            {"hard": {"18": TEN_HITS}},
            "strategy.hard.18",
            (
                "strategy.hard has no row 18: take one of 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, "
                "17; 4 is played as 5, and 18 or more stands."
            ),
        ),
        (
            {"pair": {}},
            "strategy.pair",
            "There is no key strategy.pair: did you mean pairs?",
        ),
        (
            {"hard": TEN_HITS},
            "strategy.hard",
            'strategy.hard must be an object such as {"5": ["H", ...]}.',
        ),
        (
            "basic",
            "strategy",
            'strategy must be an object such as {"hard": {"16": ["S", ...]}}.',
        ),
    ],
)
def test_wrong_chart_names_the_cell_and_the_repair(
    values: object, field: str, message: str
) -> None:
    with pytest.raises(RulesError) as wrong:
        read_rows(values)

    assert str(wrong.value) == message
    assert wrong.value.field == field


def test_long_nonsense_is_quoted_in_short() -> None:
    with pytest.raises(RulesError) as wrong:
        read_rows({"hard": {"16": ["X" * 10_000] * 10}})

    assert len(str(wrong.value)) < 200


def test_chart_survives_a_spreadsheet() -> None:
    chart = every_row(hard_11_A="D", soft_A7_6="Ds", pairs_88_A="Rp", pairs_1010_5="N")

    text = chart_to_csv(chart)

    assert text.startswith("hard,2,3,4,5,6,7,8,9,10,A\n5,S,S")
    assert Chart.from_rows(read_rows(read_chart_csv(text))) == chart


def test_chart_may_be_json_alone_or_in_a_rules_file() -> None:
    values = every_row(hard_11_A="D").to_dict()

    assert read_strategy("\ufeff " + json.dumps(values)) == values
    assert read_strategy(json.dumps({"decks": 2, "strategy": values})) == values


@pytest.mark.parametrize(
    ("line", "part", "hand"),
    [
        ("16,", "hard", "16"),
        ("Hard 16,", "hard", "16"),
        ('"A,7",', "soft", "A7"),
        ("7A,", "soft", "A7"),
        ("soft 18,", "soft", "A7"),
        ("A+7,", "soft", "A7"),
        ('"8,8",', "pairs", "88"),
        ("8-8,", "pairs", "88"),
        ("TT,", "pairs", "1010"),
        ("10-10,", "pairs", "1010"),
        ("pair 10,", "pairs", "1010"),
        ("pair of A,", "pairs", "AA"),
        ("aa,", "pairs", "AA"),
    ],
)
def test_hands_may_be_written_as_people_do(line: str, part: str, hand: str) -> None:
    chart = read_chart_csv(line + "h,S,d,ds,rH,Rs,H,H,H,S")

    assert chart == {part: {hand: ["H", "S", "D", "Ds", "Rh", "Rs", "H", "H", "H", "S"]}}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_sections_headers_and_foreign_delimiters_are_read(delimiter: str) -> None:
    lines = [
        ["\ufeffHard totals", *UPCARDS],
        ["16", *"SSSSSHHHHH"],
        [""] * 11,
        ["Soft"],
        ["Hand", "A", *UPCARDS[:-1]],
        ["18", *"HSSSSSSSHH", ""],
        ["Pairs", "11", "2", "3", "4", "5", "6", "7", "8", "9", "J"],
        ["8", *"NPPPPPPPPH"],
    ]

    chart = read_chart_csv("\r\n".join(delimiter.join(line) for line in lines))

    assert chart == {
        "hard": {"16": list("SSSSSHHHHH")},
        "soft": {"A7": list("SSSSSSSHHH")},
        "pairs": {"88": list("PPPPPPPPHN")},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Line 1 of the chart: there is no row; write a hand and ten codes"),
        ("16,S,S", "Line 1 of the chart: strategy.hard.16 has 2 codes; give ten"),
        ("16" + ",S" * 10 + "\n16" + ",S" * 10, "Line 2 of the chart: strategy.hard.16 is there"),
        ("hard\n4" + ",S" * 10, "Line 2 of the chart: '4' is no row of hard; take one of 5, 6"),
        ("33A" + ",S" * 10, "Line 1 of the chart: '33A' is no row; take one of 5 to 17"),
        ("hand,2,3,4", "Line 1 of the chart: the columns must be 2, 3, 4, 5, 6, 7, 8, 9, 10, A"),
        ("²" + ",S" * 10, "Line 1 of the chart: '²' is no row"),
    ],
)
def test_wrong_spreadsheet_names_the_line_and_the_repair(text: str, message: str) -> None:
    with pytest.raises(RulesError) as wrong:
        read_chart_csv(text)

    assert str(wrong.value).startswith(message)


def test_wrong_cell_of_a_spreadsheet_has_the_name_that_it_has_in_a_rules_file() -> None:
    with pytest.raises(RulesError, match=r"strategy\.hard\.16 against 10: 'Q' is no code"):
        read_rows(read_strategy("16,S,S,S,S,S,H,H,H,Q,H"))
