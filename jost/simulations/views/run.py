"""The page of one simulation: its live figures, its parts that change, and what can be done to it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

import holdfast
from holdfast.exceptions import BatchNotFound
from jost.simulations import lifecycle
from jost.simulations.engine import MAX_ROUNDS
from jost.simulations.engine.chart import UPCARDS
from jost.simulations.forms.fields import LONGEST_NAME
from jost.simulations.models import Simulation
from jost.simulations.numbers import parse_rounds
from jost.simulations.progress import Progress, progress_of

from . import plots
from .answers import answer_of, answer_parts
from .chart import chart_address, legend_of, parts_of
from .exactly import beside
from .owned import simulation_of


@require_safe
@never_cache
def detail(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    progress = progress_of(simulation)
    chart = simulation.setup.game.chart
    asked = "exact" in request.GET
    exact = beside(simulation.setup, estimate=progress.estimate) if asked else None
    context = {
        "simulation": simulation,
        "progress": progress,
        "live": live_figures(simulation, progress=progress),
        "exact": exact,
        "convergence": plots.convergence(
            progress.points,
            rounds=simulation.rounds,
            active=simulation.is_active,
            exact=exact.ev if exact and exact.applies else None,
        ),
        "charts": parts_of(chart),
        "upcards": UPCARDS,
        "legend": legend_of(chart),
        "chart_link": chart_address(simulation.setup.rules),
        "about": str(simulation),
        **answer_parts(simulation.setup, answer_of(simulation, tally=progress.tally)),
    }
    return render(request, "simulations/detail.html", context)


@require_safe
@never_cache
def live(request: HttpRequest, simulation_id: UUID) -> JsonResponse:
    """What the open page asks for again and again; holds nothing between two questions."""
    simulation = simulation_of(request, simulation_id)
    return JsonResponse(live_figures(simulation, progress=progress_of(simulation)))


@require_safe
@never_cache
def moves(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    """The buttons that its state allows."""
    simulation = simulation_of(request, simulation_id)
    return render(request, "simulations/moves.html", {"simulation": simulation})


@require_safe
@never_cache
def answer(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    """Outcomes, counts, bets and bankroll of what has been counted so far."""
    simulation = simulation_of(request, simulation_id)
    progress = progress_of(simulation)
    parts = answer_parts(simulation.setup, answer_of(simulation, tally=progress.tally))
    context = parts | {"about": str(simulation), "simulation": simulation}
    return render(request, "simulations/answer.html", context)


@require_safe
@never_cache
def exact(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    """The exact value beside the simulated one; costs a second when nobody has asked for it before."""
    simulation = simulation_of(request, simulation_id)
    found = beside(simulation.setup, estimate=progress_of(simulation).estimate)
    return render(request, "simulations/exact.html", {"exact": found})


@require_POST
def pause(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    return _move(request, simulation_id, move=lifecycle.pause, refusal="pause")


@require_POST
def resume(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    return _move(request, simulation_id, move=lifecycle.resume, refusal="resume")


@require_POST
def cancel(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    return _move(request, simulation_id, move=lifecycle.cancel, refusal="cancel")


@require_POST
def extend(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    try:
        rounds = simulation.rounds + parse_rounds(request.POST.get("more", ""))
        if rounds > MAX_ROUNDS:
            messages.error(
                request,
                f"A simulation has {MAX_ROUNDS:,} rounds at most: add fewer, or start another "
                "with a new seed.",
            )
        elif not lifecycle.extend(simulation, rounds=rounds):
            messages.info(request, f"It is {simulation.state}: there is nothing to extend.")
    except ValueError as reason:
        messages.error(request, str(reason))
    return redirect(simulation)


@require_POST
def rename(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    # PostgreSQL keeps no null character.
    simulation.name = request.POST.get("name", "").replace("\0", "").strip()[:LONGEST_NAME]
    simulation.save(update_fields=["name"])
    return redirect(simulation)


def _move(
    request: HttpRequest,
    simulation_id: UUID,
    *,
    move: Callable[[Simulation], bool],
    refusal: str,
) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    if not move(simulation):
        messages.info(request, f"It is {simulation.state}: there was nothing to {refusal}.")
    return redirect(simulation)


def _counting(simulation: Simulation) -> int:
    """How many of its chunks are being counted now."""
    if not simulation.is_active or not simulation.batch_id:
        return 0
    try:
        return holdfast.Batch.get(simulation.batch_id).progress().running
    except BatchNotFound:
        return 0


def live_figures(simulation: Simulation, *, progress: Progress) -> dict[str, Any]:
    """Everything that moves on the page of a simulation."""
    estimate = progress.estimate
    return {
        "state": simulation.state,
        "active": simulation.is_active,
        "rounds": simulation.rounds,
        "rounds_done": progress.rounds_done,
        "fraction": progress.fraction,
        "chunks": progress.chunks,
        "chunks_done": progress.chunks_done,
        "seconds": progress.seconds,
        "rounds_per_second": progress.rounds_per_second,
        "counting": _counting(simulation),
        "ev": estimate.ev if estimate else None,
        "ev_95": list(estimate.interval) if estimate else None,
        "reach": estimate.reach if estimate else None,
        "ev_standard_error": estimate.standard_error if estimate else None,
        "sd": estimate.sd if estimate else None,
        "points": progress.points,
    }
