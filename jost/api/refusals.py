"""How every resource refuses: the errors, what they look like in the schema, and what Django itself refuses."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found
from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.response import Response
from rest_framework.views import exception_handler

from .strict import ErrorSerializer

PLACES = ("/api/", "/lead/")

CONFLICT = OpenApiResponse(ErrorSerializer, "Its state does not allow it; says why.")


class ConflictError(APIException):
    """The state of a thing does not allow what was asked."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


def refused(reason: Exception, context: dict[str, Any]) -> Response | None:
    """Answer for an exception; the settings name it. A body that Django does not read is a wrong body."""
    if isinstance(reason, SuspiciousOperation):
        reason = ParseError(str(reason))
    return exception_handler(reason, context)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Tell programs in JSON that there is nothing at an address, and people on a page."""
    if request.path.startswith(PLACES):
        return JsonResponse({"detail": "Not found."}, status=status.HTTP_404_NOT_FOUND)
    return page_not_found(request, exception)


def _answer(description: str, schema: str = "Refusal", **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content, **more}


_RETRY_AFTER = {
    "Retry-After": {
        "description": "In how many seconds to call again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    }
}

# By status: the name that the schema has for it, and what it is.
RESPONSES: dict[str, tuple[str, dict[str, Any]]] = {
    "400": (
        "Wrong",
        _answer("Something is wrong: where, what, and what would be right.", "WrongRequest"),
    ),
    "401": ("SignIn", _answer("Sign in, or send a token.")),
    "403": ("NoCsrfToken", _answer("The CSRF token of the session is missing or wrong.")),
    "404": ("NotFound", _answer("There is none, or it is another user's.")),
    "406": ("NotAcceptable", _answer("There is nothing of the kind that Accept asks for.")),
    "415": ("NotRead", _answer("The body is not of a kind that is read here.")),
    "429": ("TooOften", _answer("Too many calls.", headers=_RETRY_AFTER)),
}

_WRONG = {"$ref": "#/components/schemas/WrongRequest"}
# A message, several, or the same of what stands within.
_INNER = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, _WRONG]}},
        _WRONG,
    ]
}

SCHEMAS: dict[str, Any] = {
    "Refusal": {
        "type": "object",
        "properties": {"detail": {"type": "string"}},
        "required": ["detail"],
        "description": "What an answer says that is about no single field.",
    },
    "WrongRequest": {
        "type": "object",
        "additionalProperties": _INNER,
        "description": "What is wrong by field, or detail.",
        "examples": [{"rules.decks": ["decks must be a whole number from 0 to 8."]}],
    },
}
