"""Metrics over HTTP, closed by default: for viewers of the console, bearers of the token, addresses that are named."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from holdfast.console.access import VIEW, role
from holdfast.exceptions import ConfigurationError
from holdfast.metrics import access
from holdfast.metrics.exposition import exposed

_REFUSED = (
    "Metrics are closed. Send the token of HOLDFAST['metrics_token'] as a bearer token, ask from an address in "
    "HOLDFAST['metrics_from'], or sign in as a viewer of the console.\n"
)


def _metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return _text(_REFUSED, status=403)
    try:
        text, kind = exposed(accept=request.headers.get("Accept", ""))
    except ConfigurationError as error:
        return _text(f"{error}\n", status=501)
    answer = HttpResponse(text, content_type=kind)
    answer["Cache-Control"] = "no-store"
    return answer


def may_read(request: HttpRequest) -> bool:
    """Tell whether a request may read metrics. Its address is that of whoever connects: behind a proxy, the proxy's."""
    return (
        access.has_token(request.headers.get("Authorization", ""))
        or access.is_named(request.META.get("REMOTE_ADDR", ""))
        or role(request) >= VIEW
    )


def _text(text: str, *, status: int) -> HttpResponse:
    answer = HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = "no-store"
    return answer


# A part that cannot be read must not end the transaction of a request.
metrics: Any = transaction.non_atomic_requests(require_safe(_metrics))
# A project that asks for a login everywhere would send Prometheus to a page.
metrics.login_required = False
