"""The pages of studies: runs side by side, sweeps, and what begins them."""

import csv
from collections.abc import Sequence
from io import StringIO
from itertools import combinations
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jost.simulations import analysis, lifecycle, studies
from jost.simulations.engine import RulesError
from jost.simulations.forms.study import KEYS, CompareForm, SweepForm
from jost.simulations.models import Simulation, Study
from jost.simulations.progress import Summary, summaries_of

from . import plots
from .exports import CSV, file_of

PER_PAGE = 20
COLUMNS = ("ev", "ev_standard_error", "ev_low", "ev_high", "sd")
MOST_SIDE_BY_SIDE = 8


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    page = Paginator(Study.objects.all(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "simulations/studies.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def new_comparison(request: HttpRequest) -> HttpResponse:
    form = CompareForm(request.POST or None, initial=_both(request))
    if request.method == "POST" and form.is_valid():
        setups = form.setups()
        if setups:
            return redirect(_begin_comparison(form.cleaned_data, setups=setups))
    context = {"form": form}
    return render(
        request, "simulations/new_compare.html", context, status=422 if form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new_sweep(request: HttpRequest) -> HttpResponse:
    form = SweepForm(request.POST or None, initial=_one(request))
    if request.method == "POST" and form.is_valid():
        study = _begin_sweep(form)
        if study:
            return redirect(study)
    context = {"form": form, "keys": KEYS}
    return render(
        request, "simulations/new_sweep.html", context, status=422 if form.errors else 200
    )


@require_safe
@never_cache
def detail(request: HttpRequest, study_id: UUID) -> HttpResponse:
    study = get_object_or_404(Study, pk=study_id)
    return _show(request, list(study.in_order.defer(*Simulation.HEAVY)), study=study)


@require_POST
def cancel(_request: HttpRequest, study_id: UUID) -> HttpResponse:
    """End all runs of a study that have not ended."""
    study = get_object_or_404(Study, pk=study_id)
    for simulation in study.in_order:
        lifecycle.cancel(simulation)
    return redirect(study)


@require_safe
@never_cache
def compare(request: HttpRequest) -> HttpResponse:
    """Any runs side by side, as the address names them."""
    ids = [found for found in map(_id, request.GET.getlist("run")) if found][:MOST_SIDE_BY_SIDE]
    simulations = Simulation.objects.defer(*Simulation.HEAVY).in_bulk(ids)
    chosen = [simulations[each] for each in dict.fromkeys(ids) if each in simulations]
    return _show(request, chosen, study=None)


def _show(
    request: HttpRequest, simulations: Sequence[Simulation], *, study: Study | None
) -> HttpResponse:
    """The page, or the part of it that it asks for again and again."""
    query = request.GET.copy()
    query["part"] = "1"
    context = _side_by_side(simulations, study=study)
    if request.GET.get("as") == "csv":
        return file_of(_csv(context), kind=CSV, name="side-by-side.csv")
    context["part_address"] = f"{request.path}?{query.urlencode()}"
    query["as"] = "csv"
    context["csv_address"] = f"{request.path}?{query.urlencode()}"
    template = "simulations/study_part.html" if "part" in request.GET else "simulations/study.html"
    return render(request, template, context)


def _side_by_side(simulations: Sequence[Simulation], *, study: Study | None) -> dict[str, Any]:
    entries = summaries_of(simulations)
    swept = study is not None and study.kind == Study.Kind.SWEEP
    labels = [str(value) for value in study.values] if study and swept else _labels(len(entries))
    x_label = study.key if study and swept else "Run"
    title = f"Value of a round by {x_label}" if swept else "Value of a round, side by side"
    plot = plots.comparison(
        labels, title=title, x_label=x_label, rows=[entry.estimate for entry in entries]
    )
    return {
        "study": study,
        "swept": swept,
        "x_label": x_label,
        "entries": list(zip(labels, entries, strict=True)),
        "active": any(each.is_active for each in simulations),
        "plot": plot if entries else None,
        "differences": _differences(entries, labels=labels, swept=swept),
        "same_seeds": len({each.seed for each in simulations}) < len(simulations),
        "about": str(study or ""),
    }


def _csv(context: dict[str, Any]) -> str:
    text = StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow([context["x_label"], "setup", "state", "rounds", *COLUMNS])
    for label, entry in context["entries"]:
        estimate, run = entry.estimate, entry.simulation
        known: list[float] = []
        if estimate:
            known = [estimate.ev, estimate.standard_error, *estimate.interval, estimate.sd]
        lines.writerow([label, str(run.setup), run.state, entry.rounds_done, *known])
    return text.getvalue()


def _differences(
    entries: Sequence[Summary], *, labels: Sequence[str], swept: bool
) -> list[dict[str, Any]]:
    """Of every two; of a sweep, of each from the first."""
    found = []
    for one, other in combinations(range(len(entries)), 2):
        first, second = entries[one].estimate, entries[other].estimate
        if first is None or second is None or (swept and one):
            continue
        found.append(
            {
                "labels": f"{labels[other]} less {labels[one]}",
                "difference": analysis.difference(first, second),
                "is_clear": analysis.differ(first, second),
            }
        )
    return found


def _labels(number: int) -> list[str]:
    return [chr(ord("A") + place) for place in range(number)]


def _begin_comparison(values: dict[str, Any], *, setups: list[Any]) -> Study:
    return studies.compare(
        setups,
        rounds=values["rounds"],
        seed=values["seed"],
        target=values["target"],
        name=values["name"],
    )


def _begin_sweep(form: SweepForm) -> Study | None:
    values = form.cleaned_data
    setup = form.setup()
    if setup is None:
        return None
    try:
        return studies.sweep(
            setup,
            key=values["key"],
            values=values["values"],
            rounds=values["rounds"],
            seed=values["seed"],
            target=values["target"],
            name=values["name"],
        )
    except (RulesError, ValueError) as reason:
        form.add_error("values", str(reason))
        return None


def _both(request: HttpRequest) -> dict[str, str]:
    first = _base(request)
    return (
        {"base_a": first, "base_b": first or "preset:plain-6d-h17"}
        if first
        else {
            "base_a": "preset:plain-6d",
            "base_b": "preset:plain-6d-h17",
        }
    )


def _one(request: HttpRequest) -> dict[str, str]:
    return {"base": _base(request) or "preset:plain-6d"}


def _base(request: HttpRequest) -> str:
    found = _id(request.GET.get("from", ""))
    return f"run:{found}" if found else ""


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
