"""How the API refuses: what is wrong by its path with the repair."""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from jost.simulations.engine import RulesError


class PathView(APIView):
    """Names what is wrong by its path: `rules.dealing.penetration`."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, ValidationError) and isinstance(exc.detail, dict):
            exc.detail = dict(_by_path(exc.detail))
        return super().handle_exception(exc)


def refused(error: RulesError, *, within: str = "") -> ValidationError:
    """The same refusal, with the key by its path in the request."""
    path = f"{within}.{error.field}" if within else error.field
    return ValidationError({path: [str(error)]})


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
