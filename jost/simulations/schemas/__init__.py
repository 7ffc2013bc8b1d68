"""The JSON schemas of what is read and printed: `rules` (a rules file), `simulate`, `exact`."""

import json
from importlib.resources import files
from typing import Any

NAMES = ("rules", "simulate", "exact")


def schema_of(name: str) -> dict[str, Any]:
    """One schema that needs no other file: that of rules files is part of those of answers."""
    schema = _read(name)
    if name != "rules":
        schema["$defs"] = schema.get("$defs", {}) | {"rules": _read("rules")}
    return schema


def _read(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
