"""The blackjack engine: rules in, exact integer tallies out; knows neither Django nor Celery."""

from .chunks import MAX_ROUNDS, MAX_SEED, MIN_ROUNDS, Plan, chunk_size_for
from .rules import Rules, RulesError
from .runner import ENGINE_VERSION, count_chunk, is_compiled, warm_up
from .tally import Tally

__all__ = [
    "ENGINE_VERSION",
    "MAX_ROUNDS",
    "MAX_SEED",
    "MIN_ROUNDS",
    "Plan",
    "Rules",
    "RulesError",
    "Tally",
    "chunk_size_for",
    "count_chunk",
    "is_compiled",
    "warm_up",
]
