"""The list of simulations, and the part of it that keeps itself up to date."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jost.simulations.models import Simulation
from jost.simulations.progress import summaries_of

from .owned import simulations_of

PER_PAGE = 20


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "simulations/index.html", _page(request))


@require_safe
@never_cache
def rows(request: HttpRequest) -> HttpResponse:
    """The list alone, for the page that asks for it again and again."""
    return render(request, "simulations/rows.html", _page(request))


def _page(request: HttpRequest) -> dict[str, Any]:
    newest = simulations_of(request).defer(*Simulation.HEAVY)
    page = Paginator(newest, PER_PAGE).get_page(request.GET.get("page"))
    entries = summaries_of(list(page.object_list))
    active = any(entry.simulation.is_active for entry in entries)
    return {"page": page, "entries": entries, "active": active}
