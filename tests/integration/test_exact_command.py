"""`manage.py exact`: one JSON object, computed and not played."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command

from jost.simulations.schemas import schema_of
from tests.simulated import CHART


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.json"


def exact(*options: str) -> str:
    out = StringIO()
    call_command("exact", *options, stdout=out)
    return out.getvalue()


def answer(file: Path, *options: str, **values: Any) -> dict[str, Any]:
    """Of a rules file of an infinite shoe, which is quick, and a whole strategy."""
    file.write_text(json.dumps({"decks": 0, "strategy": CHART, "max_hands": 2, **values}))
    result: dict[str, Any] = json.loads(exact("--rules", str(file), "--json", *options))
    return result


def refusal(*options: str) -> str:
    with pytest.raises(CommandError) as refused:
        exact(*options)
    return str(refused.value)


def test_answer_fits_its_schema(file: Path) -> None:
    result = answer(file, dealing={"mode": "fixed_rounds", "rounds": 6}, decks=1)

    jsonschema.Draft202012Validator(schema_of("exact")).validate(result)
    assert result["rules"]["strategy"] == CHART
    assert result["ev_standard_error"] == 0
    assert (result["rounds"], result["per_true_count"]) == (0, [])
    assert result["insurance"] == pytest.approx(-3 / 51)


def test_printed_schema_is_a_schema_and_the_one_that_is_kept() -> None:
    printed = json.loads(exact("--schema"))

    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == schema_of("exact")


def test_dealer_is_told_before_the_peek_for_every_upcard_and_result(file: Path) -> None:
    dealer = answer(file)["dealer"]

    assert list(dealer) == ["A", "2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert list(dealer["A"]) == ["17", "18", "19", "20", "21", "bust", "blackjack"]
    assert dealer["A"]["blackjack"] == pytest.approx(4 / 13)
    assert dealer["10"]["bust"] == pytest.approx(0.212109, abs=5e-7)
    assert all(sum(results.values()) == pytest.approx(1) for results in dealer.values())


@pytest.mark.parametrize(
    ("dealing", "holds_for"),
    [
        ({"mode": "every_round"}, "every round, each from a fresh shoe"),
        ({"mode": "fixed_rounds", "rounds": 5}, "each of the 5 rounds of a shoe"),
    ],
)
def test_answer_says_which_rounds_it_holds_for(
    file: Path, dealing: dict[str, Any], holds_for: str
) -> None:
    result = answer(file, decks=1, dealing=dealing)

    assert result["holds_for"].startswith(holds_for)
    assert result["rules"]["dealing"] == dealing


def test_cut_card_is_refused_with_the_reason_unless_the_shoe_is_infinite(file: Path) -> None:
    dealing = {"mode": "cut_card", "penetration": 0.75}
    infinite = answer(file, dealing=dealing)
    file.write_text(json.dumps({"decks": 1, "strategy": CHART, "dealing": dealing}))

    message = refusal("--rules", str(file))

    assert "cut_card has no exact value" in message
    assert "--fresh-shoe" in message
    assert infinite["holds_for"].startswith("every round: no card")
    assert json.loads(exact("--rules", str(file), "--fresh-shoe", "--json"))["ev"] < 0


def test_dealing_that_nothing_says_is_a_fresh_shoe(file: Path) -> None:
    assert answer(file, decks=1)["dealing"] == "a fresh shoe every round"


def test_answer_names_the_keys_that_it_leaves_out(file: Path) -> None:
    result = answer(
        file,
        decks=1,
        counting="hi-lo",
        index_plays=["illustrious-18"],
        bets={"ramp": {"0": 1, "2": 4}, "unit": 10},
        bankroll={"units": 400},
    )

    assert result["leaves_out"] == ["counting", "index_plays", "bets", "bankroll"]
    assert answer(file)["leaves_out"] == []


def test_wrong_key_is_named_with_its_repair(file: Path) -> None:
    file.write_text(json.dumps({"dekcs": 6}))

    assert "dekcs" in refusal("--rules", str(file))
    assert "decks" in refusal("--decks", "9")


def test_people_read_value_dealer_and_chart(file: Path) -> None:
    file.write_text(json.dumps({"decks": 0, "strategy": CHART}))

    lines = exact("--rules", str(file)).splitlines()

    assert lines[0].startswith("infinite, S17, DAS")
    assert any(line.startswith("value of a round -") for line in lines)
    assert "    10  11.1424%" in "\n".join(lines)
    assert "    16  H  H  H  H  H  H  H  H  H  H" in lines
