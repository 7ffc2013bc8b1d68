"""The flags that say rules on a command line: a preset, over it a rules file, over it each flag."""

import sys
from argparse import BooleanOptionalAction, _MutuallyExclusiveGroup
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from jost.api.numbers import read_number

from .charts import read_strategy
from .engine.rules import RulesError, meant
from .presets import PRESETS
from .rules_file import parse_rules_file
from .setup import RULES_KEYS, Setup

STANDARD_INPUT = "-"
# No rules file is as long; whatever is was named by mistake.
MOST_CHARACTERS = 2_000_000


def add_rules_arguments(parser: CommandParser) -> None:
    """Flags for what decides a round; `read_rules_file` reads them."""
    group = parser.add_argument_group(
        "rules",
        "A flag overrides the rules file, which overrides the preset; what none of them says is "
        "6 decks, S17, DAS, 75 % dealt.",
    )
    group.add_argument(
        "--rules", metavar="FILE", help="a rules file (JSON); - reads standard input"
    )
    group.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    group.add_argument("--decks", type=_number, metavar="N", help="1 to 8; 0 is an infinite shoe")
    for flag, key, meaning in (
        ("--h17", "dealer_hits_soft_17", "the dealer hits soft 17"),
        ("--das", "double_after_split", "double after a split"),
        ("--resplit-aces", "resplit_aces", "aces may be split again"),
        ("--hit-split-aces", "hit_split_aces", "split aces may be hit"),
        ("--peek", "dealer_peeks", "the dealer looks for a blackjack; --no-peek: no hole card"),
    ):
        group.add_argument(flag, dest=key, action=BooleanOptionalAction, help=meaning)
    group.add_argument("--double-on", metavar="TOTALS", help="any, 9-11 or 10-11")
    group.add_argument("--max-hands", type=_number, metavar="N", help="2 to 4, by splitting")
    group.add_argument(
        "--surrender",
        nargs="?",
        const="late",
        metavar="KIND",
        help="none, late or early; late if KIND is left out",
    )
    group.add_argument("--blackjack-pays", metavar="PRICE", help="3:2, 6:5 or 1:1")
    group.add_argument("--seats", type=_number, metavar="N", help="spots of the player, 1 to 7")
    group.add_argument("--other-players", type=_number, metavar="N", help="spots of others")
    group.add_argument(
        "--strategy", metavar="FILE", help="a chart, CSV or JSON; rows left out are computed"
    )
    _add_dealing_arguments(group.add_mutually_exclusive_group())


def add_counting_arguments(parser: CommandParser) -> None:
    """Flags for what is counted and what the count decides."""
    group = parser.add_argument_group("counting")
    group.add_argument("--counting", metavar="SYSTEM", help="hi-lo, ko, zen ...; none for none")
    group.add_argument("--true-count", metavar="HOW", help="floor or truncate")
    group.add_argument(
        "--plays",
        action="append",
        metavar="NAMES",
        help="illustrious-18 and fab-4, with a comma between them or one flag each; none",
    )


def _add_dealing_arguments(group: _MutuallyExclusiveGroup) -> None:
    group.add_argument(
        "--penetration", type=_number, metavar="SHARE", help="dealt up to a cut card, such as 0.75"
    )
    group.add_argument(
        "--rounds-per-shoe", type=_number, metavar="N", help="shuffle after so many rounds"
    )
    group.add_argument(
        "--fresh-shoe", action="store_true", default=None, help="shuffle before every round"
    )


def setup_of(options: Mapping[str, Any]) -> Setup:
    """What preset, rules file and flags say together; RulesError names the key and the repair."""
    return Setup.from_dict(rules_file_of(options))


def rules_file_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The same before it is checked, as a rules file would have it."""
    values: dict[str, Any] = {}
    if options.get("preset") is not None:
        values |= _preset(options["preset"])
    if options.get("rules") is not None:
        values |= parse_rules_file(_text(options["rules"], flag="--rules"))
    values |= {key: options[key] for key in RULES_KEYS if options.get(key) is not None}
    values |= _dealing(options)
    if options.get("strategy") is not None:
        values["strategy"] = read_strategy(_text(options["strategy"], flag="--strategy"))
    return values | _counting(options, counting=values.get("counting"))


def said(reason: ValueError) -> str:
    """The message as a command prints it: with the key before it, unless it says that or the cell."""
    message = str(reason)
    if not isinstance(reason, RulesError) or reason.field in message:
        return message
    row = reason.field.rpartition(".")[0]
    return message if row and message.startswith(row) else f"{reason.field}: {message}"


def _preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise RulesError(f"There is no preset {name}: {meant(name, PRESETS)}", field="preset")
    return PRESETS[name].rules.to_dict()


def _dealing(options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("penetration") is not None:
        return {"dealing": {"mode": "cut_card", "penetration": options["penetration"]}}
    if options.get("rounds_per_shoe") is not None:
        return {"dealing": {"mode": "fixed_rounds", "rounds": options["rounds_per_shoe"]}}
    return {"dealing": {"mode": "every_round"}} if options.get("fresh_shoe") else {}


def _counting(options: Mapping[str, Any], *, counting: object) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if options.get("counting") is not None:
        name = options["counting"]
        counting = values["counting"] = None if name == "none" else {"system": name}
    if options.get("true_count") is not None:
        if counting is None:
            raise RulesError(
                "--true-count needs a count: add --counting hi-lo, or leave it out.",
                field="counting",
            )
        if isinstance(counting, str):
            counting = {"system": counting}
        if isinstance(counting, Mapping):
            values["counting"] = {**counting, "true_count": options["true_count"]}
    if options.get("plays") is not None:
        names = ",".join(options["plays"]).split(",")
        listed = [name.strip() for name in names]
        values["index_plays"] = [name for name in listed if name not in {"", "none"}]
    return values


def _text(place: str, *, flag: str) -> str:
    try:
        if place == STANDARD_INPUT:
            text = sys.stdin.read(MOST_CHARACTERS + 1)
        else:
            with Path(place).open(encoding="utf-8-sig") as file:
                text = file.read(MOST_CHARACTERS + 1)
    except OSError as reason:
        raise RulesError(f"{flag} {place}: {reason.strerror}.", field="rules") from None
    except UnicodeDecodeError:
        raise RulesError(f"{flag} {place} is no UTF-8 text.", field="rules") from None
    if len(text) > MOST_CHARACTERS:
        raise RulesError(f"{flag} {place} is too long to be one.", field="rules")
    return text


def _number(text: str) -> int | float | str:
    """What is no number goes on as it is: the rules say better what they take."""
    for kind in (int, read_number):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
