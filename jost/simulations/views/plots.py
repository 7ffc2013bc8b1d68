"""What the pages draw: each plot with the same figures as a table; drawn by static/jost/plots.js."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jost.simulations.analysis import Figure
from jost.simulations.engine.tally import Estimate
from jost.simulations.prefix import Point
from jost.simulations.wording import MINUS, by_unit

Numbers = Sequence[float | None]
# Counts rarer than this have intervals so wide that they would hide all others; files have them too.
RARE = 1e-4
OUTERMOST = ("99", "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line, row of bars or row of points; `low` and `high` are the ends of its interval."""

    label: str
    values: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    scale: str = "y"
    style: str = "line"
    colour: str = "main"
    dashed: bool = False
    thin: bool = False
    weights: Numbers | None = None
    ends: str = "95 %"

    def to_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A drawing and its table; `scales` says the unit of each and how it is drawn."""

    key: str
    title: str
    x: Mapping[str, Any]
    series: Sequence[Series]
    scales: Mapping[str, Mapping[str, Any]]
    hint: str = ""
    empty: str = "There is nothing to draw yet."
    least: int = 1
    live: bool = False
    says: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "x": dict(self.x),
            "series": [each.to_dict() for each in self.series],
            "scales": {name: dict(scale) for name, scale in self.scales.items()},
            "empty": self.empty,
            "least": self.least,
            "says": self.says,
        }

    @property
    def script(self) -> str:
        """The id of the script that holds the figures."""
        return f"plot-{self.key}"

    @property
    def head(self) -> list[str]:
        columns = [str(self.x["label"])]
        for each in self.series:
            columns.append(each.label)
            columns += [f"{each.ends} from", "to"] if each.low else []
        return columns

    @property
    def rows(self) -> Iterator[list[str]]:
        for place, value in enumerate(self.x["values"]):
            labels = self.x.get("labels")
            row = [labels[place] if labels else by_unit(value, self.x["unit"])]
            for each in self.series:
                unit = self.scales[each.scale]["unit"]
                row += [
                    by_unit(column[place], unit)
                    for column in (each.values, each.low, each.high)
                    if column is not None
                ]
            yield row


def convergence(points: Sequence[Point], *, rounds: int, active: bool, exact: float | None) -> Plot:
    """The estimate and its interval by the rounds counted."""
    counted = points[-1][0] if points else 0
    series = [
        Series(
            label="Estimate",
            values=[point[1] for point in points],
            low=[point[2] for point in points],
            high=[point[3] for point in points],
        )
    ]
    if exact is not None:
        flat = [exact] * len(points)
        series.append(Series(label="Exact", values=flat, colour="other", dashed=True))
    # The beginning of a long simulation would be a line at the left edge.
    to = min(rounds, counted * 3) if active else counted
    return Plot(
        key="convergence",
        title="Convergence",
        hint="The estimate and its 95 % interval by the rounds counted, in the order of the chunks.",
        x={
            "label": "Rounds",
            "unit": "rounds",
            "values": [point[0] for point in points],
            "from": 0,
            "to": to,
        },
        series=series,
        scales={"y": {"unit": "percent", "calm": True}},
        least=2,
        live=True,
        empty="Waiting for the first chunks." if active else "It ended before there was anything.",
    )


def by_count(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """Edge and frequency of each true count; rows as an answer has them."""
    seen = [row for row in rows if row["share"] > RARE]
    shares = [row["share"] for row in seen]
    intervals = [row["ev_95"] or (None, None) for row in seen]
    return Plot(
        key="counts",
        title="Edge and frequency by true count",
        hint="Points: the value of a round that begins at a count, with its 95 % interval. Bars: how "
        "many rounds do. Counts of fewer than one round in 10,000 are in the file alone.",
        x={
            "label": "True count",
            "unit": "count",
            "values": [row["true_count"] for row in seen],
            "discrete": True,
        },
        series=[
            Series(
                label="Share of rounds", values=shares, scale="share", style="bars", colour="quiet"
            ),
            Series(
                label="Value of a round",
                values=[row["ev"] for row in seen],
                low=[low for low, _ in intervals],
                high=[high for _, high in intervals],
                style="points",
                weights=shares,
            ),
        ],
        scales={
            "y": {"unit": "percent"},
            "share": {"unit": "share", "right": True, "zero": True},
        },
    )


def outcomes(rows: Sequence[Mapping[str, Any]]) -> Plot:
    """How many spots won or lost how much; rows as an answer has its payoffs."""
    return Plot(
        key="outcomes",
        title="Outcomes of a round",
        hint="Net win of a spot in units of its bet, after splits, doubles and insurance.",
        x={
            "label": "Net win, bets",
            "unit": "number",
            "values": list(range(len(rows))),
            "labels": [_net(row["payoff"]) for row in rows],
        },
        series=[
            Series(
                label="Share of spots",
                values=[row["share"]["value"] for row in rows],
                low=[row["share"]["low"] for row in rows],
                high=[row["share"]["high"] for row in rows],
                scale="share",
                style="bars",
            )
        ],
        scales={"share": {"unit": "share", "zero": True}},
    )


def fan(paths: Mapping[str, Any], *, rounds_per_hour: int) -> Plot:
    """Where the bankroll goes: percentiles over the hours ahead."""
    percentiles = paths["percentiles"]
    return Plot(
        key="bankroll",
        title="Bankroll ahead",
        hint="Units after so many hours: half of all players are between the ends of the band, 90 % "
        "between the lines, 98 % between the dashes.",
        x={
            "label": "Hours",
            "unit": "number",
            "values": [rounds / rounds_per_hour for rounds in paths["rounds"]],
            "from": 0,
        },
        series=[
            Series(
                label="Median",
                values=percentiles["50"],
                low=percentiles["25"],
                high=percentiles["75"],
                ends="the middle half",
            ),
            *(
                Series(
                    label=f"{name} %",
                    values=percentiles[name],
                    colour="quiet",
                    thin=True,
                    dashed=name in OUTERMOST,
                )
                for name in ("99", "95", "5", "1")
            ),
        ],
        scales={"y": {"unit": "units", "zero": True}},
    )


def comparison(
    labels: Sequence[str], *, title: str, x_label: str, rows: Sequence[Estimate | None]
) -> Plot:
    """The value of a round of several runs side by side."""
    return _side_by_side(
        labels,
        key="comparison",
        x_label=x_label,
        title=title,
        hint="The value of a round with its 95 % interval.",
        series=Series(
            label="Value of a round",
            values=[row.ev if row else None for row in rows],
            low=[row.interval[0] if row else None for row in rows],
            high=[row.interval[1] if row else None for row in rows],
            style="points",
        ),
        scale={"unit": "percent"},
    )


def scores(
    labels: Sequence[str], *, title: str, x_label: str, rows: Sequence[Figure | None]
) -> Plot:
    """The SCORE of the bets of several runs side by side."""
    return _side_by_side(
        labels,
        key="scores",
        x_label=x_label,
        title=title,
        hint="What each game is worth with its bets, with its 95 % interval.",
        series=Series(
            label="SCORE",
            values=[row.value if row else None for row in rows],
            low=[row.low if row else None for row in rows],
            high=[row.high if row else None for row in rows],
            style="points",
        ),
        scale={"unit": "number", "zero": True},
    )


def _side_by_side(
    labels: Sequence[str],
    *,
    key: str,
    x_label: str,
    title: str,
    hint: str,
    series: Series,
    scale: Mapping[str, Any],
) -> Plot:
    x = {"label": x_label, "unit": "number", "values": list(range(len(labels)))}
    return Plot(
        key=key,
        title=title,
        hint=hint,
        x=x | {"labels": list(labels)},
        series=[series],
        scales={"y": scale},
    )


def _net(payoff: float) -> str:
    return f"{payoff:+g}".replace("-", MINUS) if payoff else "0"
