"""The start page: what each app of JOST shows, and what it is at right now; web process."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jost.accounts.models import Mail
from jost.api.owners import visible_to
from jost.imports.models import Import
from jost.leads.models import Lead
from jost.orders.models import Order
from jost.reports.models import Report
from jost.simulations.models import Simulation


@login_not_required
@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show all apps; what they are at is for whoever may see their pages."""
    may_see = request.user.is_authenticated or not settings.JOST_LOGIN
    return render(request, "home.html", {"now": _now(request) if may_see else None})


def _now(request: HttpRequest) -> dict[str, int]:
    """What is under way: counts that an index answers, or of small tables."""

    def mine(things: type[Order | Import | Report]) -> int:
        under_way = things.objects.filter(state__in=things.UNDER_WAY)
        return visible_to(request.user, under_way).count()

    return {
        "simulations": Simulation.objects.filter(state__in=Simulation.ACTIVE).count(),
        "orders": mine(Order),
        "imports": mine(Import),
        "reports": mine(Report),
        "leads": Lead.objects.count(),
        "mails": Mail.objects.filter(sent_at=None).count(),
    }
