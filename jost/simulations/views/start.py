"""The page that starts a simulation; a casino's game or an earlier simulation fills it in."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from jost.api.owners import owner_of
from jost.simulations import lifecycle
from jost.simulations.exact import best_chart
from jost.simulations.forms import StartForm, initial_of, initial_rules, presets
from jost.simulations.models import Simulation
from jost.simulations.presets import PRESETS

from .owned import simulations_of

# What is folded, and the fields whose errors unfold it.
FOLDED = {
    "rules": ("double_on", "max_hands", "seats", "other_players", "hit_split_aces"),
    "strategy": ("strategy_from", "strategy", "strategy_file"),
    "counting": (
        *("counting", "true_count", "count_name", "initial_count", "initial_per_deck"),
        *("tag_A", "tag_2", "tag_3", "tag_4", "tag_5", "tag_6", "tag_7", "tag_8", "tag_9"),
        *("tag_10", "own_plays", "illustrious_18", "fab_4"),
    ),
    "bets": (
        *("betting", "ramp", "kelly", "min_units", "max_units", "wong_in", "wong_out", "unit"),
        *("rounds_per_hour", "bankroll", "hours"),
    ),
    "run": ("target", "seed", "name"),
}


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Ask for a setup; a POST starts its simulation."""
    if request.method == "POST":
        form = StartForm(request.POST, request.FILES)
        if form.is_valid():
            return redirect(_start(form.cleaned_data, owner=owner_of(request)))
        return _show(request, form=form, status=422)
    return _show(request, form=StartForm(initial=_initial(request)))


def _start(values: dict[str, Any], *, owner: User | None) -> Simulation:
    return lifecycle.start(
        values["setup"],
        rounds=values["rounds"],
        seed=values["seed"],
        target=values["target"],
        name=values["name"],
        owner=owner,
    )


def _show(request: HttpRequest, *, form: StartForm, status: int = 200) -> HttpResponse:
    asked = set(request.GET.getlist("open"))
    context = {
        "form": form,
        "casinos": PRESETS.values(),
        "preset": PRESETS.get(request.GET.get("preset", "")),
        "presets": presets(),
        "open": {
            part: part in asked or form.opens(*names) or _is_filled(form, *names)
            for part, names in FOLDED.items()
        },
    }
    return render(request, "simulations/new.html", context, status=status)


def _initial(request: HttpRequest) -> dict[str, Any]:
    earlier = request.GET.get("from")
    if earlier:
        simulation = get_object_or_404(simulations_of(request), pk=_id(earlier))
        setup = simulation.setup
        computed = setup.game.chart == best_chart(setup.rules)
        return initial_of(setup, computed=computed) | {"rounds": f"{simulation.rounds:,}"}
    preset = PRESETS.get(request.GET.get("preset", ""))
    return initial_rules(preset.rules) if preset else {}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _is_filled(form: StartForm, *names: str) -> bool:
    """Whether a folded part says something else than it does on an empty form."""
    return any(
        (form[name].value() or "") != (form.fields[name].initial or "")
        for name in names
        if not form.is_bound and name in form.initial
    )
