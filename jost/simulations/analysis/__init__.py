"""Every question about a finished tally, answered without playing again; plain Python, no chance.

Equal tallies give equal answers. Formulas and sources: docs/simulations-figures.md.
"""

from .best import best_bets
from .comparing import differ, difference
from .counts import CountResult, Slope, by_true_count, edge_slope
from .drawdown import drawdown
from .intervals import Figure
from .outcomes import (
    bet_per_spot,
    dealer_outcomes,
    ev_per_unit_bet,
    events,
    insurance,
    outcomes,
    payoff_shares,
)
from .risk import PERCENTILES, Walk, bankroll_for, certainty_equivalent
from .wagers import Returns, Stake, returns_of, stakes_of
from .wonging import shares_played

__all__ = [
    "PERCENTILES",
    "CountResult",
    "Figure",
    "Returns",
    "Slope",
    "Stake",
    "Walk",
    "bankroll_for",
    "best_bets",
    "bet_per_spot",
    "by_true_count",
    "certainty_equivalent",
    "dealer_outcomes",
    "differ",
    "difference",
    "drawdown",
    "edge_slope",
    "ev_per_unit_bet",
    "events",
    "insurance",
    "outcomes",
    "payoff_shares",
    "returns_of",
    "shares_played",
    "stakes_of",
]
