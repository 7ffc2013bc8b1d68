"""The pages of studies: runs side by side, sweeps, and what begins them."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import combinations
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from jost.api.owners import owner_of
from jost.simulations import analysis, lifecycle, report, studies
from jost.simulations.analysis import Figure
from jost.simulations.engine import RulesError, Tally
from jost.simulations.forms.study import KEYS, CompareForm, SweepForm
from jost.simulations.models import Simulation, Study
from jost.simulations.progress import Summary, summaries_of
from jost.simulations.setup import Setup

from . import plots
from .exports import CSV, file_of
from .owned import simulations_of, studies_of, study_of

PER_PAGE = 20
COLUMNS = ("ev", "ev_standard_error", "ev_low", "ev_high", "sd")
BET_COLUMNS = (
    *("win_per_100", "win_per_100_low", "win_per_100_high"),
    *("score", "score_low", "score_high"),
)
PER = 100
MOST_SIDE_BY_SIDE = 8
LONGEST_LABEL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """What the bets of a run give."""

    per_100: Figure
    score: Figure


@require_safe
@never_cache
def index(request: HttpRequest) -> HttpResponse:
    page = Paginator(studies_of(request), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "simulations/studies.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
def new_comparison(request: HttpRequest) -> HttpResponse:
    form = CompareForm(
        request.POST or None, initial=_both(request), simulations=simulations_of(request)
    )
    if request.method == "POST" and form.is_valid():
        setups = form.setups()
        if setups:
            return redirect(_begin_comparison(form, setups=setups, owner=owner_of(request)))
    context = {"form": form}
    return render(
        request, "simulations/new_compare.html", context, status=422 if form.errors else 200
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new_sweep(request: HttpRequest) -> HttpResponse:
    form = SweepForm(
        request.POST or None, initial=_one(request), simulations=simulations_of(request)
    )
    if request.method == "POST" and form.is_valid():
        study = _begin_sweep(form, owner=owner_of(request))
        if study:
            return redirect(study)
    context = {"form": form, "keys": KEYS}
    return render(
        request, "simulations/new_sweep.html", context, status=422 if form.errors else 200
    )


@require_safe
@never_cache
def detail(request: HttpRequest, study_id: UUID) -> HttpResponse:
    study = study_of(request, study_id)
    return _show(request, list(study.in_order.defer(*Simulation.HEAVY)), study=study)


@require_POST
def cancel(request: HttpRequest, study_id: UUID) -> HttpResponse:
    """End all runs of a study that have not ended."""
    study = study_of(request, study_id)
    for simulation in study.in_order:
        lifecycle.cancel(simulation)
    return redirect(study)


@require_safe
@never_cache
def compare(request: HttpRequest) -> HttpResponse:
    """Any runs side by side, as the address names them."""
    ids = [found for found in map(_id, request.GET.getlist("run")) if found][:MOST_SIDE_BY_SIDE]
    simulations = simulations_of(request).defer(*Simulation.HEAVY).in_bulk(ids)
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
    labels = [str(value) for value in study.values] if study and swept else _labels(simulations)
    x_label = study.key if study and swept else "Run"
    by = f" by {x_label}" if swept else ", side by side"
    won = _won(simulations)
    return {
        "study": study,
        "swept": swept,
        "x_label": x_label,
        "entries": list(zip(labels, entries, won, strict=True)),
        "has_won": any(each is not None for each in won),
        "active": any(each.is_active for each in simulations),
        "plots": list(_plots(labels, entries, won, x_label=x_label, by=by)),
        "differences": _differences(entries, labels=labels, swept=swept),
        "named": labels == [each.name for each in simulations],
        "same_seeds": len({each.seed for each in simulations}) < len(simulations),
        "about": str(study or ""),
    }


def _won(simulations: Sequence[Simulation]) -> list[Won | None]:
    """What the bets of each give, once it has succeeded; none of any where all bet flat."""
    if not any(each.setup.bets.by_count for each in simulations):
        return [None] * len(simulations)
    ended = Simulation.objects.filter(
        pk__in=[each.pk for each in simulations], state=Simulation.State.SUCCEEDED
    )
    tallies = dict(ended.values_list("pk", "tally"))
    return [_won_by(each.setup, tally=tallies.get(each.pk)) for each in simulations]


def _won_by(setup: Setup, *, tally: Any) -> Won | None:
    returns = report.returns_of(setup, Tally.from_dict(tally)) if tally else None
    return Won(per_100=returns.win.times(PER), score=returns.score) if returns else None


def _plots(
    labels: Sequence[str],
    entries: Sequence[Summary],
    won: Sequence[Won | None],
    *,
    x_label: str,
    by: str,
) -> Iterator[plots.Plot]:
    if not entries:
        return
    estimates = [entry.estimate for entry in entries]
    title = f"Value of a round{by}"
    yield plots.comparison(labels, title=title, x_label=x_label, rows=estimates)
    if any(won):
        found = [each.score if each else None for each in won]
        yield plots.scores(labels, title=f"SCORE{by}", x_label=x_label, rows=found)


def _csv(context: dict[str, Any]) -> str:
    text = StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow([context["x_label"], "setup", "state", "rounds", *COLUMNS, *BET_COLUMNS])
    for label, entry, won in context["entries"]:
        estimate, run = entry.estimate, entry.simulation
        known: list[float | None] = [None] * len(COLUMNS)
        if estimate:
            known = [estimate.ev, estimate.standard_error, *estimate.interval, estimate.sd]
        if won:
            win, score = won.per_100, won.score
            known += [win.value, win.low, win.high, score.value, score.low, score.high]
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


def _labels(simulations: Sequence[Simulation]) -> list[str]:
    """Their names where a drawing has room for them, else a letter for each."""
    names = [each.name for each in simulations]
    if all(0 < len(name) <= LONGEST_LABEL for name in names) and len(set(names)) == len(names):
        return names
    return [chr(ord("A") + place % 26) * (1 + place // 26) for place in range(len(names))]


def _begin_comparison(form: CompareForm, *, setups: list[Setup], owner: User | None) -> Study:
    values = form.cleaned_data
    return studies.compare(
        setups,
        rounds=values["rounds"],
        seed=values["seed"],
        target=values["target"],
        name=values["name"],
        owner=owner,
    )


def _begin_sweep(form: SweepForm, *, owner: User | None) -> Study | None:
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
            owner=owner,
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
