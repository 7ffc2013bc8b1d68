"""The page of a strategy chart: computed for any rules, with the value of each move of each cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from jost.simulations import exact
from jost.simulations.charts import chart_to_csv
from jost.simulations.engine import Rules
from jost.simulations.engine.chart import PARTS, UPCARDS, Chart, Code
from jost.simulations.forms import RulesFields, initial_rules, presets
from jost.simulations.forms.rules import SWITCHES
from jost.simulations.presets import PRESETS
from jost.simulations.wording import percent

from .exports import file_of

TITLES = {"hard": "Hard totals", "soft": "Soft totals", "pairs": "Pairs"}
# How a code looks; those of a kind have one colour, and each its own letters.
LOOKS = {
    Code.HIT: "hit",
    Code.STAND: "stand",
    Code.DOUBLE_OR_HIT: "double",
    Code.DOUBLE_OR_STAND: "double",
    Code.SPLIT: "split",
    Code.NO_SPLIT: "total",
    Code.SURRENDER_OR_HIT: "surrender",
    Code.SURRENDER_OR_STAND: "surrender",
    Code.SURRENDER_OR_SPLIT: "surrender",
}
WORDS = {
    Code.HIT: "hit",
    Code.STAND: "stand",
    Code.DOUBLE_OR_HIT: "double, else hit",
    Code.DOUBLE_OR_STAND: "double, else stand",
    Code.SPLIT: "split",
    Code.NO_SPLIT: "play as the total",
    Code.SURRENDER_OR_HIT: "surrender, else hit",
    Code.SURRENDER_OR_STAND: "surrender, else stand",
    Code.SURRENDER_OR_SPLIT: "surrender, else split",
}
# By part, row and upcard: a cell with the value of each move.
Values = Mapping[tuple[str, str, str], exact.Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    code: str
    look: str
    upcard: str
    values: str


@require_safe
def chart(request: HttpRequest) -> HttpResponse:
    """Everything is in the address, so it is a permalink; without rules it shows the common game."""
    preset = PRESETS.get(request.GET.get("preset", ""))
    form = RulesFields(_asked(request) or initial_rules(preset.rules if preset else Rules()))
    context: dict[str, Any] = {
        "form": form,
        "casinos": PRESETS.values(),
        "preset": preset,
        "presets": presets(),
        "upcards": UPCARDS,
    }
    rules = form.rules() if form.is_valid() else None
    if rules is None:
        return render(request, "simulations/chart.html", context, status=422)
    best = exact.best_chart(rules)
    if request.GET.get("as") == "csv":
        return file_of(chart_to_csv(best), kind="text/csv", name="chart.csv")
    context |= {
        "rules": rules,
        "csv_address": f"{chart_address(rules)}&as=csv",
        "legend": legend_of(best),
        "charts": parts_of(best, values=exact.chart_values(rules)),
    }
    return render(request, "simulations/chart.html", context)


def _asked(request: HttpRequest) -> dict[str, Any] | None:
    """What the address says; what a chart does not depend on it may leave out."""
    if "decks" not in request.GET:
        return None
    rest = {name: value for name, value in initial_rules(Rules()).items() if name not in SWITCHES}
    return rest | request.GET.dict()


def parts_of(chart: Chart, *, values: Values | None = None) -> list[dict[str, Any]]:
    """A chart as the template shows it: its three tables."""
    return [
        {"title": TITLES[part], "rows": list(_rows(chart, part=part, values=values or {}))}
        for part in PARTS
    ]


def legend_of(chart: Chart) -> list[dict[str, str]]:
    """The codes that come up in a chart."""
    used = {code for rows in chart.parts.values() for row in rows.values() for code in row}
    return [
        {"code": str(code), "look": LOOKS[code], "words": WORDS[code]}
        for code in Code
        if code in used
    ]


def chart_address(rules: Rules) -> str:
    """Where the chart of these rules is shown."""
    left_out = (
        "mode",
        "penetration",
        "rounds_per_shoe",
        "blackjack_pays",
        "seats",
        "other_players",
    )
    said = {
        name: value
        for name, value in initial_rules(rules).items()
        if value is not False and name not in left_out
    }
    query = {name: "on" if value is True else value for name, value in said.items()}
    return f"{reverse('simulations:chart')}?{urlencode(query)}"


def _rows(chart: Chart, *, part: str, values: Values) -> Iterator[dict[str, Any]]:
    for hand, codes in chart.parts[part].items():
        cells = [
            Cell(
                code=str(code),
                look=LOOKS[code],
                upcard=upcard,
                values=_said(values.get((part, hand, upcard))),
            )
            for upcard, code in zip(UPCARDS, codes, strict=True)
        ]
        yield {"hand": _spelt(hand, part=part), "cells": cells}


def _spelt(hand: str, *, part: str) -> str:
    """A,7 and 10,10, as charts have them."""
    if part == "hard":
        return hand
    middle = 1 if part == "soft" else len(hand) // 2
    return f"{hand[:middle]},{hand[middle:]}"


def _said(cell: exact.Cell | None) -> str:
    """The best move first: stand -54.04 %, hit -53.98 %."""
    if cell is None:
        return ""
    best_first = sorted(cell.values.items(), key=lambda move: -move[1])
    return ", ".join(f"{name} {percent(value, digits=2)}" for name, value in best_first)
