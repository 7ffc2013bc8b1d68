"""`health/live` and `health/ready` over HTTP: open to all who reach them, cheap, and without a secret.

They show no host, no name and no text of a service. Whoever may not know how long jobs wait is kept out by the proxy.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from holdfast.conf import HEALTH_PARTS
from holdfast.health.report import health


def _live(_request: HttpRequest) -> JsonResponse:
    """Answer. A process that does so lives; whether services do is no reason to end it."""
    return _answer({"status": "ok"}, status=200)


def _ready(request: HttpRequest) -> JsonResponse:
    """Answer with each part: 200, or 503 if one is not well that is needed. `?need=broker` needs one more."""
    needs = [part for part in request.GET.get("need", "").split(",") if part]
    unknown = sorted(set(needs) - set(HEALTH_PARTS))
    if unknown:
        told = f"There is no part {', '.join(unknown)}: it is one of {', '.join(HEALTH_PARTS)}."
        return _answer({"error": told}, status=400)
    found = health(needs=needs)
    return _answer(found.shown, status=200 if found.ready else 503)


def _answer(shown: dict[str, Any], *, status: int) -> JsonResponse:
    answer = JsonResponse(shown, status=status)
    answer["Cache-Control"] = "no-store"
    return answer


def _open(view: Any) -> Any:
    made = transaction.non_atomic_requests(require_safe(view))
    # A project that asks for a login everywhere would send a probe to a page.
    made.login_required = False
    return made


live, ready = _open(_live), _open(_ready)
