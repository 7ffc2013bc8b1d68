"""The JSON schemas of rules files and answers, as components of the OpenAPI schema."""

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parent.parent / "schemas"
# The same files describe what the command line reads and prints.
COMPONENTS = {"RulesFile": "rules.json", "Answer": "simulate.json", "ExactAnswer": "exact.json"}
DEFINED = "#/$defs/"


def _reference(place: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{place}"}


RULES_FILE = _reference("RulesFile")
BETS = _reference("RulesFile.bets")
BANKROLL = _reference("RulesFile.bankroll")
CHART = _reference("RulesFile/properties/strategy")
INDEX_PLAYS = _reference("RulesFile/properties/index_plays")
ANSWER = _reference("Answer")
EXACT_BESIDE = _reference("Answer.exact")
EXACT_ANSWER = _reference("ExactAnswer")


def add_json_schemas(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """Add them to a generated schema; a hook that the settings name."""
    schemas = result["components"]["schemas"]
    for name, file in COMPONENTS.items():
        schema = json.loads((SCHEMAS / file).read_text())
        definitions = schema.pop("$defs", {})
        schemas[name] = _moved(_without_identity(schema), component=name)
        for inner, definition in definitions.items():
            schemas[f"{name}.{inner}"] = _moved(definition, component=name)
    return result


def _without_identity(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in {"$schema", "$id"}}


def _moved(value: Any, *, component: str) -> Any:
    """With every reference to where the definition stands among the components."""
    if isinstance(value, list):
        return [_moved(each, component=component) for each in value]
    if not isinstance(value, dict):
        return value
    moved = {key: _moved(each, component=component) for key, each in value.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str):
        moved["$ref"] = _address(reference, component=component)
    return moved


def _address(reference: str, *, component: str) -> str:
    if not reference.startswith(DEFINED):
        return f"#/components/schemas/{component}{reference.removeprefix('#')}"
    name = reference.removeprefix(DEFINED)
    # What answers repeat is the file itself.
    return f"#/components/schemas/{'RulesFile' if name == 'rules' else f'{component}.{name}'}"
