"""The blackjack engine: rules in, exact integer tallies out; knows neither Django nor Celery."""

from .chart import Chart, Code
from .chunks import (
    MAX_ROUNDS,
    MAX_SEED,
    MIN_ROUNDS,
    chunk_size,
    chunk_start,
    chunks_of,
    rounds_in,
    whole_chunks,
)
from .counting import Count
from .game import Game
from .plays import IndexPlay
from .rules import Dealing, Rules, RulesError
from .runner import ENGINE_VERSION, count_chunk, is_compiled, warm_up
from .tally import Estimate, Tally

__all__ = [
    "ENGINE_VERSION",
    "MAX_ROUNDS",
    "MAX_SEED",
    "MIN_ROUNDS",
    "Chart",
    "Code",
    "Count",
    "Dealing",
    "Estimate",
    "Game",
    "IndexPlay",
    "Rules",
    "RulesError",
    "Tally",
    "chunk_size",
    "chunk_start",
    "chunks_of",
    "count_chunk",
    "is_compiled",
    "rounds_in",
    "warm_up",
    "whole_chunks",
]
