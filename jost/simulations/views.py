"""The pages of the simulations: list and start form, one simulation, its live figures."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from . import lifecycle
from .engine import Rules
from .forms import StartForm
from .models import Simulation
from .progress import Progress, estimate_of, progress_of, summaries_of

PER_PAGE = 20


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """List the simulations; a POST starts one."""
    form = StartForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        simulation = lifecycle.start(values["rules"], rounds=values["rounds"], seed=values["seed"])
        return redirect(simulation)
    status = 422 if form.errors else 200
    context = {"form": form, **_page_of_simulations(request)}
    return render(request, "simulations/index.html", context, status=status)


@require_safe
@never_cache
def rows(request: HttpRequest) -> HttpResponse:
    """The list alone, for the page that keeps itself up to date."""
    return render(request, "simulations/rows.html", _page_of_simulations(request))


@require_safe
@never_cache
def detail(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = get_object_or_404(Simulation, pk=simulation_id)
    progress = progress_of(simulation)
    context = {
        "simulation": simulation,
        "progress": progress,
        "live": live_figures(simulation, progress=progress),
        "command": command_for(simulation),
    }
    return render(request, "simulations/detail.html", context)


@require_safe
@never_cache
def live(_request: HttpRequest, simulation_id: UUID) -> JsonResponse:
    """What the open page asks for again and again; holds nothing between two questions."""
    simulation = get_object_or_404(Simulation, pk=simulation_id)
    return JsonResponse(live_figures(simulation, progress=progress_of(simulation)))


@require_POST
def cancel(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = get_object_or_404(Simulation, pk=simulation_id)
    if not lifecycle.cancel(simulation):
        messages.info(request, "This simulation had ended already: there was nothing to cancel.")
    return redirect(simulation)


def live_figures(simulation: Simulation, *, progress: Progress) -> dict[str, Any]:
    """Everything that moves on the page of a simulation."""
    return {
        "state": simulation.state,
        "reason": simulation.reason,
        "active": simulation.is_active,
        "rounds": simulation.rounds,
        "rounds_done": progress.tally.rounds,
        "chunks": progress.chunks,
        "chunks_done": progress.chunks_done,
        "seconds": progress.seconds,
        "rounds_per_second": progress.rounds_per_second,
        **estimate_of(progress.tally),
        "frequencies": progress.tally.frequencies(),
        "points": progress.points,
    }


def command_for(simulation: Simulation) -> str:
    """The options of `manage.py simulate` that give this simulation's answer."""
    rules = simulation.game
    options = [f"--decks {rules.decks}"]
    options += ["--h17"] if rules.hit_soft_17 else []
    options += [] if rules.double_after_split else ["--no-das"]
    options += ["--surrender"] if rules.late_surrender else []
    options += [f"--penetration {rules.penetration:g}"] if not rules.rounds_per_shoe else []
    options += [f"--rounds-per-shoe {rules.rounds_per_shoe}"] if rules.rounds_per_shoe else []
    options += [f"--max-hands {rules.max_hands}"] if rules.max_hands != Rules().max_hands else []
    return " ".join([*options, f"--rounds {simulation.rounds}", f"--seed {simulation.seed}"])


def _page_of_simulations(request: HttpRequest) -> dict[str, Any]:
    page = Paginator(Simulation.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    entries = summaries_of(list(page.object_list))
    active = any(entry.simulation.is_active for entry in entries)
    return {"page": page, "entries": entries, "active": active}
