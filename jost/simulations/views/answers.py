"""What the pages say of an answer: outcomes, counts, bets and bankroll, each with its 95 % interval."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any
from urllib.parse import urlencode

from jost.simulations import report
from jost.simulations.engine import Tally
from jost.simulations.forms import initial_bets
from jost.simulations.models import Simulation
from jost.simulations.setup import Setup
from jost.simulations.wording import DASH, percent, plain, rounded

from . import plots

PER = 100
OUTCOMES = {"won": "Won", "pushed": "Pushed", "lost": "Lost"}
EVENTS = {
    "blackjacks": "Blackjacks",
    "busts": "Busts",
    "doubles": "Doubles",
    "splits": "Splits",
    "surrenders": "Surrenders",
    "insured": "Insured",
}
DEALER = {"busts": "Dealer busts", "blackjacks": "Dealer blackjacks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A line: what, how much, between what."""

    label: str
    value: str
    interval: str = ""
    look: str = ""


def answer_of(simulation: Simulation, *, tally: Tally) -> report.Answer:
    """The one object that pages, REST and the command line have of a run."""
    return report.answer(
        simulation.setup,
        tally,
        seed=simulation.seed,
        engine_version=simulation.engine_version,
        target=simulation.target,
    )


def answer_parts(setup: Setup, answer: report.Answer) -> dict[str, Any]:
    """The context of answer.html."""
    return {
        "outcome_facts": list(_outcomes(answer)),
        "shares": answer["outcomes"],
        **bet_parts(setup, answer),
        "plots": [*_plots(setup, answer), *_fan(answer)],
    }


def bet_parts(setup: Setup, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The same for bets and bankroll alone."""
    return {
        "bets_words": str(setup.bets),
        "bet_facts": [*_bets(answer), *_bankroll(answer)],
        "bet_notes": list(_notes(setup, answer)),
        "best": _best(setup, answer),
        "plots": list(_fan(answer)),
    }


def _outcomes(answer: Mapping[str, Any]) -> Iterator[Fact]:
    for group, labels in (("outcomes", OUTCOMES), ("events", EVENTS), ("dealer_outcomes", DEALER)):
        for name, label in labels.items():
            figure = (answer[group] or {}).get(name)
            yield _fact(
                label, figure, times=PER, digits=3, look=name if group == "outcomes" else ""
            )
    yield _percent_fact("Value per unit bet", answer["ev_per_unit_bet"])
    if answer["insurance"]:
        yield _percent_fact("Value of a unit of insurance", answer["insurance"]["ev"])


def _plots(setup: Setup, answer: Mapping[str, Any]) -> Iterator[plots.Plot]:
    if setup.game.count is not None:
        yield plots.by_count(answer["per_true_count"])
    yield plots.outcomes(answer["payoffs"] or [])


def _fan(answer: Mapping[str, Any]) -> Iterator[plots.Plot]:
    bankroll, bets = answer["bankroll"], answer["bets"]
    if bankroll and bets:
        yield plots.fan(bankroll["paths"], rounds_per_hour=bets["rounds_per_hour"])


def _bets(answer: Mapping[str, Any]) -> Iterator[Fact]:
    bets = answer["bets"]
    if not bets:
        return
    yield _fact("Win per 100 rounds, units", bets["win_per_100"], digits=3)
    yield _fact("Win per hour, units", bets["win_per_hour"], digits=3)
    if bets["money"]:
        yield _fact("Win per hour, money", bets["money"]["win_per_hour"])
    yield _percent_fact("Value per unit bet", bets["ev_per_unit_bet"])
    yield Fact(label="Average bet, units", value=rounded(bets["bet_per_round"], digits=3))
    if bets["played"] < 1:
        yield Fact(label="Rounds played", value=percent(bets["played"], digits=1, sign=False))
        played = rounded(bets["bet_per_round_played"], digits=3)
        yield Fact(label="Average bet when playing, units", value=played)
    yield _fact("Standard deviation per round, units", bets["sd_per_round"], digits=3)
    yield _fact("Standard deviation per hour, units", bets["sd_per_hour"])
    yield _fact("SCORE", bets["score"])
    yield _fact("Desirability index", bets["desirability"])
    yield _fact("N0, rounds", bets["n0"], digits=0)
    slope = answer.get("edge_by_count")
    if slope:
        yield _percent_fact("Edge per true count", slope["per_count"])


def _best(setup: Setup, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ramp with the best SCORE between the same least and most units, and the address that has it."""
    best = answer["bets"] and answer["bets"]["best"]
    if not best:
        return None
    low, high = min(best["ramp"].values()), max(best["ramp"].values())
    steps = [(int(count), units) for count, units in best["ramp"].items()]
    # The first units are bet at all lower counts too: the rarest count there was says nothing.
    steps[0] = (steps[1][0] - 1, steps[0][1])
    ramp = ", ".join(f"{count}:{units:g}" for count, units in steps)
    bets = initial_bets(setup.to_dict()) | {"betting": "ramp", "ramp": ramp}
    return {
        "ramp": ramp,
        "units": f"{low:g} to {high:g}",
        "score": _fact("SCORE", best["score"]),
        "query": urlencode({name: value for name, value in bets.items() if value is not None}),
    }


def _bankroll(answer: Mapping[str, Any]) -> Iterator[Fact]:
    bankroll = answer["bankroll"]
    if not bankroll:
        return
    hours = f"{plain(bankroll['hours'], digits=1)} hours"
    yield _share_fact("Risk of ruin", bankroll["risk_of_ruin"])
    yield _share_fact(f"Risk of ruin within {hours}", bankroll["risk_of_ruin_within"])
    yield _share_fact(f"Ahead after {hours}", bankroll["ahead"])
    yield _share_fact("Doubled before it is lost", bankroll["doubling"])
    fall = bankroll["drawdown"]
    yield _fact(f"Largest fall within {hours}, mean, units", fall["mean"], digits=0)
    worst = fall["percentiles"].get("95")
    if worst:
        yield _fact("and in the worst 5 % more than", worst, digits=0)
    for risk, units in bankroll["units_for_risk"].items():
        label = f"Units for a {float(risk) * PER:g} % risk of ruin"
        yield _fact(label, units, digits=0)
    worth = bankroll["certainty_equivalent_per_hour"]
    yield _fact("Certainty equivalent per hour, units", worth, digits=3)


def _notes(setup: Setup, answer: Mapping[str, Any]) -> Iterator[str]:
    bets = answer["bets"]
    if bets and bets["played"] < 1:
        yield "Rounds that are watched count as dealt: per hour means per hour at the table."
    if bets and (bets["win_per_round"]["value"] or 0) <= 0:
        yield "These bets lose in the long run, so no bankroll is enough: ruin is a matter of time."
    if setup.bankroll is None:
        yield "There is no bankroll: risk of ruin and the fan need one."


def _fact(
    label: str,
    figure: Mapping[str, float | None] | None,
    *,
    times: float = 1,
    digits: int = 2,
    look: str = "",
) -> Fact:
    def said(value: float | None) -> str:
        if value is None or not isfinite(value):
            return DASH
        return rounded(value * times, digits=digits)

    return _said(label, figure, said=said, look=look)


def _percent_fact(label: str, figure: Mapping[str, float | None] | None) -> Fact:
    return _said(label, figure, said=lambda value: percent(value, digits=3))


def _share_fact(label: str, figure: Mapping[str, float | None] | None) -> Fact:
    return _said(label, figure, said=lambda value: percent(value, digits=2, sign=False))


def _said(
    label: str, figure: Mapping[str, float | None] | None, *, said: Any, look: str = ""
) -> Fact:
    if figure is None or figure["value"] is None:
        return Fact(label=label, value=DASH, look=look)
    low, high = said(figure["low"]), said(figure["high"])
    interval = "" if low == high else f"{low} to {high}"
    return Fact(label=label, value=said(figure["value"]), interval=interval, look=look)
