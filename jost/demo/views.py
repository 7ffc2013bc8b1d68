"""The page of the demo, its figures as JSON, and its buttons; there in demo mode only, for this machine only."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from jost.demo import faults, watch

DONE = {
    "kill": "Killed the {target}, process {pid}, with SIGKILL.",
    "wipe": "Wiped Redis: every message that it held is gone.",
    "freeze": "Froze the scheduler for {seconds:g} seconds.",
}

View = Callable[..., HttpResponse]


def in_demo_mode(view: View) -> View:
    """Let there be no such page, unless `make demo` runs and this machine asks."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **values: Any) -> HttpResponse:
        if not settings.JOST_DEMO or not _is_this_machine(request):
            raise Http404
        return view(request, *args, **values)

    return guarded


@in_demo_mode
@never_cache
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Show the last look; a script asks for the next ones."""
    told = watch.told(settings.DATA_DIR / "demo" / "told.json")
    mine = told if told.get("run") == settings.JOST_RUN else {}
    return render(request, "demo/index.html", {"told": mine})


@in_demo_mode
@never_cache
@require_safe
def figures(_request: HttpRequest) -> HttpResponse:
    """Return the last look, with its curve and its faults."""
    return JsonResponse(watch.told(settings.DATA_DIR / "demo" / "told.json"))


@in_demo_mode
@require_POST
def break_it(request: HttpRequest, kind: str) -> HttpResponse:
    """Break one thing, and say so."""
    if kind not in faults.FAULTS:
        raise Http404
    try:
        fault = faults.FAULTS[kind]()
    except faults.CannotBreakError as reason:
        messages.error(request, str(reason))
    else:
        seconds = fault.until - fault.at
        told = DONE[kind].format(target=fault.target, pid=fault.pid, seconds=round(seconds, 1))
        messages.success(request, told)
    return redirect("demo:index")


def _is_this_machine(request: HttpRequest) -> bool:
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
