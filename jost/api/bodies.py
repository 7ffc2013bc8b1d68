"""JSON that means what it says; what every resource takes as the body of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from .numbers import read_number


class JsonParser(JSONParser):
    """Refuses a key that is there twice: whichever was meant, the other would be lost."""

    def parse(
        self,
        stream: IO[bytes],
        _media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        encoding = (parser_context or {}).get("encoding", "utf-8")
        try:
            text = stream.read().decode(encoding)
            values = json.loads(
                text,
                object_pairs_hook=_once_each,
                parse_constant=_no_constant,
                parse_float=read_number,
            )
            _require_text(values)
            return values
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except (ValueError, LookupError) as error:
            raise ParseError(f"The body is no JSON: {error}") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ParseError(f"{name} is there twice: leave one out.")
        values[name] = value
    return values


def _require_text(values: Any) -> None:
    """Refuse characters that no database keeps and no answer can repeat."""
    text = json.dumps(values, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("it has a null character, which no text has")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON has")
