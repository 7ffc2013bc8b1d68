"""The correlation id of a request: taken from its header, or made; in every process that answers requests."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from holdfast.correlation import correlated

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

HEADERS = ("X-Correlation-ID", "X-Request-ID")
# What comes from outside ends up in logs, headers and rows.
_GOOD = re.compile(r"[A-Za-z0-9._:/@+=-]{1,128}")


class CorrelationMiddleware:
    """Lets all that a request sends and logs belong to one id, which the answer shows as `X-Correlation-ID`.

    The id is that of the header X-Correlation-ID or X-Request-ID, if it is up to 128 letters, digits and `._:/@+=-`;
    else a new one. Set it early in MIDDLEWARE; leave it away where django-guid's is.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request under its id."""
        if self.is_async:
            return self._answer(request)
        id = id_of(request)
        with correlated(id):
            response: HttpResponseBase = self.get_response(request)
        response[HEADERS[0]] = id
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        id = id_of(request)
        with correlated(id):
            response: HttpResponseBase = await self.get_response(request)
        response[HEADERS[0]] = id
        return response


def id_of(request: HttpRequest) -> str:
    """Return the id that a request brings, or a new one."""
    for header in HEADERS:
        said = request.headers.get(header, "")
        if _GOOD.fullmatch(said):
            return said
    return uuid4().hex
