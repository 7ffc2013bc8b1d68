"""The forms of the pages: everything that decides an answer, bets alone, runs beside each other."""

from .bets import BetsFields, initial_bets
from .rules import RulesFields, initial_rules
from .start import StartForm, initial_of, presets

__all__ = [
    "BetsFields",
    "RulesFields",
    "StartForm",
    "initial_bets",
    "initial_of",
    "initial_rules",
    "presets",
]
