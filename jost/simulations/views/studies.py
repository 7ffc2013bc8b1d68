"""The pages of studies: runs side by side, sweeps, and what begins them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from jost.simulations import studies
from jost.simulations.engine import RulesError
from jost.simulations.engine.tally import Z_95, Estimate
from jost.simulations.forms.study import KEYS, CompareForm, SweepForm
from jost.simulations.models import Simulation, Study
from jost.simulations.progress import Summary, summaries_of

from . import plots

PER_PAGE = 20
MOST_SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much more a round of one run is worth than one of another; of independent runs."""

    one: Summary
    other: Summary

    @property
    def ev(self) -> float:
        return _known(self.one).ev - _known(self.other).ev

    @property
    def standard_error(self) -> float:
        ones, others = _known(self.one).standard_error, _known(self.other).standard_error
        return sqrt(ones * ones + others * others)

    @property
    def reach(self) -> float:
        return Z_95 * self.standard_error

    @property
    def interval(self) -> tuple[float, float]:
        return self.ev - self.reach, self.ev + self.reach

    @property
    def is_clear(self) -> bool:
        """Whether its 95 % interval leaves out zero."""
        return abs(self.ev) > self.reach


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
    context = _side_by_side(list(study.in_order.defer(*Simulation.HEAVY)), study=study)
    template = "simulations/study_part.html" if "part" in request.GET else "simulations/study.html"
    return render(request, template, context)


@require_safe
@never_cache
def compare(request: HttpRequest) -> HttpResponse:
    """Any runs side by side, as the address names them."""
    ids = [found for found in map(_id, request.GET.getlist("run")) if found]
    simulations = Simulation.objects.defer(*Simulation.HEAVY).in_bulk(ids[:MOST_SIDE_BY_SIDE])
    context = _side_by_side([simulations[each] for each in ids if each in simulations], study=None)
    template = "simulations/study_part.html" if "part" in request.GET else "simulations/study.html"
    return render(request, template, context)


def _side_by_side(simulations: Sequence[Simulation], *, study: Study | None) -> dict[str, Any]:
    entries = summaries_of(simulations)
    swept = study is not None and study.kind == Study.Kind.SWEEP
    labels = [str(value) for value in study.values] if study and swept else _labels(len(entries))
    return {
        "study": study,
        "entries": list(zip(labels, entries, strict=True)),
        "active": any(each.is_active for each in simulations),
        "plot": plots.comparison(
            labels,
            title=f"Value of a round by {study.key}" if study and swept else "Side by side",
            x_label=study.key if study and swept else "Run",
            rows=[entry.estimate for entry in entries],
        ),
        "differences": _differences(entries, labels=labels, swept=swept),
        "same_seeds": len({each.seed for each in simulations}) < len(simulations),
    }


def _differences(
    entries: Sequence[Summary], *, labels: Sequence[str], swept: bool
) -> list[dict[str, Any]]:
    """Of every two; of a sweep, of each from the first."""
    pairs = [
        (one, other)
        for one, other in combinations(range(len(entries)), 2)
        if entries[one].estimate and entries[other].estimate and not (swept and one)
    ]
    return [
        {
            "labels": f"{labels[other]} less {labels[one]}",
            "difference": Difference(one=entries[other], other=entries[one]),
        }
        for one, other in pairs
    ]


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


def _known(summary: Summary) -> Estimate:
    assert summary.estimate is not None
    return summary.estimate
