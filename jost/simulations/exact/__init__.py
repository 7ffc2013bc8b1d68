"""Exact values by enumeration: the check of the engine, with which it shares no code of play."""

from .best import Cell, best_chart, chart_values
from .dealer import RESULTS, dealer_table
from .moves import Move
from .whole import (
    NO_EXACT_VALUE,
    Exact,
    exact,
    exact_ev,
    has_exact_value,
    holds_for,
    with_fresh_shoe,
)

__all__ = [
    "NO_EXACT_VALUE",
    "RESULTS",
    "Cell",
    "Exact",
    "Move",
    "best_chart",
    "chart_values",
    "dealer_table",
    "exact",
    "exact_ev",
    "has_exact_value",
    "holds_for",
    "with_fresh_shoe",
]
