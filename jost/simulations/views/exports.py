"""What a simulation leaves behind as a file: its answer, its results by count, its rules file."""

import json
from collections.abc import Callable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jost.simulations import exports
from jost.simulations.charts import chart_to_csv
from jost.simulations.models import Simulation
from jost.simulations.progress import progress_of

from .answers import answer_of
from .owned import simulation_of

JSON, CSV = "application/json", "text/csv"


@require_safe
@never_cache
def export(request: HttpRequest, simulation_id: UUID, kind: str) -> HttpResponse:
    simulation = simulation_of(request, simulation_id)
    if kind not in KINDS:
        raise Http404
    write, media, name = KINDS[kind]
    return file_of(write(simulation), kind=media, name=name)


def file_of(text: str, *, kind: str, name: str) -> HttpResponse:
    """An answer that a browser keeps as a file."""
    disposition = f'attachment; filename="{name}"'
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": disposition})


def _answer(simulation: Simulation) -> str:
    return exports.to_json(answer_of(simulation, tally=progress_of(simulation).tally))


def _counts(simulation: Simulation) -> str:
    return exports.counts_csv(answer_of(simulation, tally=progress_of(simulation).tally))


def _payoffs(simulation: Simulation) -> str:
    return exports.payoffs_csv(answer_of(simulation, tally=progress_of(simulation).tally))


def _rules(simulation: Simulation) -> str:
    return json.dumps(simulation.setup.to_dict(), indent=2)


def _chart(simulation: Simulation) -> str:
    return chart_to_csv(simulation.setup.game.chart)


KINDS: dict[str, tuple[Callable[[Simulation], str], str, str]] = {
    "json": (_answer, JSON, "simulation.json"),
    "csv": (_counts, CSV, "by-true-count.csv"),
    "payoffs": (_payoffs, CSV, "payoffs.csv"),
    "rules": (_rules, JSON, "rules.json"),
    "chart": (_chart, CSV, "chart.csv"),
}
