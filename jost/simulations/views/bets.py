"""Other bets on a simulation, from its results by count: the address keeps them, nothing is run again."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jost.simulations import report
from jost.simulations.engine import RulesError
from jost.simulations.forms import BetsFields, initial_bets
from jost.simulations.progress import progress_of
from jost.simulations.setup import Setup

from .answers import bet_parts
from .owned import simulation_of


@require_safe
@never_cache
def bets(request: HttpRequest, simulation_id: UUID) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    tally = progress_of(simulation).tally
    asked = "betting" in request.GET
    form = BetsFields(request.GET if asked else None, initial=_initial(simulation.setup))
    setup = with_bets(simulation.setup, form=form) if asked else simulation.setup
    context: dict[str, Any] = {
        "simulation": simulation,
        "form": form,
        "tally_rounds": tally.rounds,
        "about": str(simulation),
    }
    if setup is not None and tally.rounds:
        found = report.whatif(setup, tally, bets=setup.bets, bankroll=setup.bankroll)
        context |= bet_parts(setup, found)
    status = 422 if form.errors else 200
    return render(request, "simulations/bets.html", context, status=status)


def with_bets(setup: Setup, *, form: BetsFields) -> Setup | None:
    """The same game with the bets of a form; None if they are not possible: then the form has the error."""
    if not form.is_valid():
        return None
    try:
        other = Setup.from_dict(setup.to_dict() | form.bets_values())
    except RulesError as reason:
        form.refuse(reason)
        return None
    return replace(setup, bets=other.bets, bankroll=other.bankroll)


def _initial(setup: Setup) -> dict[str, Any]:
    return initial_bets(setup.to_dict())
