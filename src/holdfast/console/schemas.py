"""Types and form fields as JSON Schema."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from django import forms

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    timedelta: {"type": "number", "description": "Seconds."},
    UUID: {"type": "string", "format": "uuid"},
}
_FIELDS: tuple[tuple[type[forms.Field], dict[str, Any]], ...] = (
    (forms.FloatField, {"type": "number"}),
    (forms.IntegerField, {"type": "integer"}),
    (forms.BooleanField, {"type": "boolean"}),
    (forms.DateTimeField, {"type": "string", "format": "date-time"}),
    (forms.JSONField, {}),
    (forms.MultipleChoiceField, {"type": "array", "items": {"type": "string"}}),
    (forms.Field, {"type": "string"}),
)

_NAMED: dict[str, type] = {}


def of_type(hint: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type; a dataclass is described once, in `schemas`, and referred to."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type):
        return _class(hint, schemas)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return {"anyOf": [of_type(each, schemas) for each in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    return _collection(origin, arguments, schemas)


def of_field(field: forms.Field) -> dict[str, Any]:
    """Return the schema of what a form's field takes."""
    found = next(dict(schema) for kind, schema in _FIELDS if isinstance(field, kind))
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.MultipleChoiceField):
        values = [str(value) for value, _ in list(field.widget.choices) if value != ""]
        found = {"type": "string", "enum": values} if values else found
    return found


def first_line(what: Any) -> str:
    """Return the first line of a docstring."""
    return (what.__doc__ or "").strip().split("\n")[0]


def _collection(origin: Any, arguments: tuple[Any, ...], schemas: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(origin, type):
        return {}
    if origin is tuple and arguments[-1] is not Ellipsis:
        return {"type": "array", "prefixItems": [of_type(each, schemas) for each in arguments]}
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": of_type(arguments[1], schemas)}
    if issubclass(origin, Sequence | set | frozenset):
        return {"type": "array", "items": of_type(arguments[0], schemas)}
    return {}


def _class(hint: type, schemas: dict[str, Any]) -> dict[str, Any]:
    if issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    if not is_dataclass(hint):
        return {}
    name = _name(hint)
    if name not in schemas:
        made: dict[str, Any] = {}
        schemas[name] = made
        hints = get_type_hints(hint)
        made |= {
            "type": "object",
            "description": first_line(hint),
            "required": [field.name for field in fields(hint)],
            "properties": {
                field.name: of_type(hints[field.name], schemas) for field in fields(hint)
            },
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _name(hint: type) -> str:
    """Return the name of a dataclass's schema; a second class of the same name has its module's before it."""
    first = _NAMED.setdefault(hint.__name__, hint)
    return (
        hint.__name__
        if first is hint
        else f"{hint.__module__.rsplit('.')[-1].title()}{hint.__name__}"
    )
