"""How the API refuses: what is wrong by its path with the repair, and the same in the schema."""

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.views import APIView

from jost.api.strict import ErrorSerializer
from jost.simulations.engine import RulesError


class ConflictError(APIException):
    """The state of a thing does not allow what was asked."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class OnceEachParser(JSONParser):
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
            values = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
            _require_text(values)
            return values
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is no JSON: {error}") from None


class JsonView(APIView):
    """Takes JSON only, and names what is wrong by its path: `rules.dealing.penetration`."""

    # A form on somebody else's site cannot send JSON without asking first.
    parser_classes = [OnceEachParser]

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ValidationError) and isinstance(exc.detail, dict):
            exc.detail = dict(_by_path(exc.detail))
        return super().handle_exception(exc)


def refused(error: RulesError, *, within: str = "") -> ValidationError:
    """The same refusal, with the key by its path in the request."""
    path = f"{within}.{error.field}" if within else error.field
    return ValidationError({path: [str(error)]})


# Each key that is wrong, by its path in the request, with what is wrong and the repair.
_ERRORS = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]
    },
    "example": {"rules.decks": ["decks must be a whole number from 0 to 8."]},
}

_REFUSALS: dict[int, OpenApiResponse] = {
    400: OpenApiResponse(
        _ERRORS,
        description="A key is wrong: its path in the request, what is wrong, and the repair.",
    ),
    401: OpenApiResponse(ErrorSerializer, description="Sign in, or send a token."),
    403: OpenApiResponse(ErrorSerializer, description="The CSRF token of the session is missing."),
    404: OpenApiResponse(ErrorSerializer, description="There is none with this id."),
    409: OpenApiResponse(ErrorSerializer, description="Its state does not allow it; says why."),
    415: OpenApiResponse(ErrorSerializer, description="The body is not JSON."),
    429: OpenApiResponse(ErrorSerializer, description="Too many calls; says when to call again."),
}


def answers(success: Mapping[Any, Any], *refusals: int) -> dict[Any, Any]:
    """All that an operation may answer; strangers and who calls too often are refused everywhere."""
    return {**success, **{code: _REFUSALS[code] for code in sorted({401, 403, 429, *refusals})}}


def _by_path(detail: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in detail.items():
        path = f"{prefix}{key}"
        if isinstance(inner, Mapping):
            yield from _by_path(inner, f"{path}.")
        elif isinstance(inner, list) and any(isinstance(each, Mapping) for each in inner):
            numbered = {str(place): each for place, each in enumerate(inner) if each}
            yield from _by_path(numbered, f"{path}.")
        else:
            yield path, inner


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
