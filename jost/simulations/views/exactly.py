"""The exact value of a game beside the simulated one, and what sets them apart."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache

from jost.simulations.engine import Estimate
from jost.simulations.engine.rules import Rules
from jost.simulations.exact import exact_ev, has_exact_value, holds_for, with_fresh_shoe
from jost.simulations.setup import Setup
from jost.simulations.wording import percent, rounded

# A difference of more standard errors than this is no chance: one in sixteen thousand.
FAR = 4
CUT_CARD = (
    "A cut card has no exact value: it comes sooner, in rounds, when rounds use many cards, so the "
    "value lies a little lower than with a fixed number of rounds. That is the cut-card effect."
)
PLAYS = "The exact value is that of the chart, without index plays and insurance."


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """`applies` says whether the simulated value must come to the exact one."""

    ev: float
    applies: bool
    holds_for: str
    simulated: str
    verdict: str
    remarks: list[str]


def beside(setup: Setup, *, estimate: Estimate | None) -> Beside:
    """Costs half a second for rules and a chart that this process has not computed before."""
    rules = setup.rules
    dealt = rules if has_exact_value(rules) else with_fresh_shoe(rules)
    ev = _value(json.dumps(_game(setup, rules=dealt)))
    applies = has_exact_value(rules) and not setup.game.plays
    return Beside(
        ev=ev,
        applies=applies,
        holds_for=holds_for(dealt),
        simulated=_simulated(estimate, rules=rules),
        verdict=_verdict(ev, estimate=estimate, applies=applies),
        remarks=[
            *([] if has_exact_value(rules) else [CUT_CARD]),
            *([PLAYS] if setup.game.plays else []),
        ],
    )


def _game(setup: Setup, *, rules: Rules) -> dict[str, object]:
    # Spots differ in nothing but the cards they are dealt.
    alone = replace(rules, seats=1, other_players=0)
    return alone.to_dict() | {"strategy": setup.game.chart.to_dict()}


@lru_cache(maxsize=256)
def _value(game: str) -> float:
    setup = Setup.from_dict(json.loads(game))
    return exact_ev(setup.rules, setup.game.chart)


def _simulated(estimate: Estimate | None, *, rules: Rules) -> str:
    if estimate is None:
        return "nothing simulated yet"
    reach = percent(estimate.reach, digits=4, sign=False)
    return f"simulated {percent(estimate.ev, digits=4)} ± {reach} ({rules.dealing})"


def _verdict(ev: float, *, estimate: Estimate | None, applies: bool) -> str:
    if estimate is None or not estimate.standard_error:
        return ""
    apart = estimate.ev - ev
    if not applies:
        return f"What is simulated is another game, and differs by {percent(apart, digits=4)}."
    errors = abs(apart) / estimate.standard_error
    said = f"They are {rounded(errors, digits=1)} standard errors apart"
    return f"{said}, as chance has it." if errors <= FAR else f"{said}, more than chance explains."
