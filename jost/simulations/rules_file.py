"""The text of a rules file or of a chart, before anything in it is checked."""

import json
from typing import Any, NoReturn

from jost.api.numbers import read_number

from .engine.rules import RulesError


def parse_rules_file(text: str) -> dict[str, Any]:
    """The object that the text of a rules file holds, not checked beyond being JSON."""
    try:
        values = json.loads(
            text,
            object_pairs_hook=_once_each,
            parse_constant=_refuse_constant,
            parse_float=read_number,
        )
    except json.JSONDecodeError as reason:
        raise RulesError(
            f"The rules file is no JSON: {reason.msg} in line {reason.lineno}, column "
            f"{reason.colno}.",
            field="rules",
        ) from None
    except RulesError:
        raise
    except (RecursionError, ValueError):
        raise RulesError(
            "The rules file is nested too deeply or has a number with thousands of digits.",
            field="rules",
        ) from None
    if not isinstance(values, dict):
        raise RulesError('A rules file is one object, such as {"decks": 6}.', field="rules")
    return values


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise RulesError(f"{name} is there twice: leave one out.", field=name)
        values[name] = value
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise RulesError(f"{name} is no number that a rules file can have.", field="rules")
