"""docs/simulations-rules.md says what the reader of rules files says."""

import json
import re
import shlex

import pytest
from django.core.management import load_command_class

from jost.simulations.engine.chart import Code
from jost.simulations.engine.counting import CARDS, SYSTEMS, Count
from jost.simulations.engine.plays import SETS
from jost.simulations.presets import PRESETS
from jost.simulations.schemas import schema_of
from jost.simulations.setup import RULES_KEYS, Setup
from tests.docs.pages import ROOT
from tests.simulated import CHART

PAGE = (ROOT / "docs" / "simulations-rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]
SCHEMA = schema_of("rules")


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_read(example: str) -> None:
    values = json.loads(example)
    rows = values.get("strategy", {})
    whole = {part: CHART[part] | rows.get(part, {}) for part in CHART}

    assert Setup.from_dict(values | {"strategy": whole}).to_dict()


def test_every_rule_stands_in_the_table_with_its_default() -> None:
    rules = {row[0].strip("`"): row[3].strip("`") for row in ROWS if len(row) == 4}

    assert list(rules)[2:] == list(RULES_KEYS)
    for key in RULES_KEYS:
        default = SCHEMA["properties"][key]["default"]
        assert rules[key] == (default if isinstance(default, str) else json.dumps(default))


def test_every_key_of_bets_and_bankroll_stands_there() -> None:
    keys = {*SCHEMA["$defs"]["bets"]["properties"], *SCHEMA["$defs"]["bankroll"]["properties"]}

    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []


def test_every_code_is_explained() -> None:
    codes = " ".join(row[0] for row in ROWS if len(row) == 2)

    assert [code for code in Code if f"`{code}`" not in codes] == []


def test_tags_are_those_that_are_counted() -> None:
    table = {row[0].strip("`"): row[1:] for row in ROWS if len(row) == 1 + len(CARDS)}

    assert table.pop("system") == list(CARDS)
    del table["---"]
    for name, tags in table.items():
        own = {card: float(tag) for card, tag in zip(CARDS, tags, strict=True)}
        read = Count.from_value({"tags": own})
        assert (read.tags, read.scale) == (SYSTEMS[name].tags, SYSTEMS[name].scale)
    assert list(table) == list(SYSTEMS)


def test_every_index_of_the_named_sets_is_told() -> None:
    told = " ".join(row[1] for row in ROWS if len(row) == 2)

    for play in (play for plays in SETS.values() for play in plays if play.upcard):
        hand = "10, 10" if play.hand == "1010" else play.hand
        bound = f"{'from' if play.at_least else 'below'} {play.index}"
        assert re.search(rf"{hand} against (\d+ from \d+, against )?{play.upcard} {bound}\b", told)


def test_commands_of_the_page_are_understood() -> None:
    shell = "".join(re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)).replace("\\\n", " ")
    commands = [shlex.split(line)[2:] for line in shell.splitlines() if line]

    assert [name for name, *_ in commands] == ["simulate", "simulate", "exact"]
    for name, *options in commands:
        parser = load_command_class("jost.simulations", name).create_parser("manage.py", name)
        parser.parse_args(options)


def test_flags_that_the_page_names_exist() -> None:
    parser = load_command_class("jost.simulations", "simulate").create_parser("manage.py", "")
    flags = {flag for action in parser._actions for flag in action.option_strings}

    assert [flag for flag in re.findall(r"`(--[a-z0-9-]+)", PAGE) if flag not in flags] == []
    assert "strip-6d" in PRESETS
