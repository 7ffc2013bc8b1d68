"""Simulations for tests: a setup that costs nothing to read, and chunks that cost nothing to count."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from jost.simulations.engine import Tally, chunk_size, chunks_of, rounds_in
from jost.simulations.engine.chart import HARD_ROWS, PAIR_ROWS, SOFT_ROWS, UPCARDS
from jost.simulations.engine.tally import BUCKETS, CELLS, EVENTS, MIN_COUNT, MIN_HALVES
from jost.simulations.setup import Setup

SEED = 11
# Three chunks, the last of which is cut short.
ROUNDS = 120_000
# Hit to 16 and split nothing: whole, so that nothing has to be computed.
CHART = {
    "hard": {row: ["H" if int(row) < 17 else "S"] * len(UPCARDS) for row in HARD_ROWS},
    "soft": {row: ["S" if row > "A6" else "H"] * len(UPCARDS) for row in SOFT_ROWS},
    "pairs": {row: ["N"] * len(UPCARDS) for row in PAIR_ROWS},
}


def plain_setup(**rules: Any) -> Setup:
    """These rules, played by CHART, nothing counted, flat bets."""
    return Setup.from_dict({"strategy": CHART, **rules})


def pretended(_game: object, *, seed: int, index: int, rounds: int) -> Tally:
    """In place of `count_chunk`: as many rounds, won and lost as the seed and the index will have it."""
    dice = Random(f"{seed} {index}")
    cells = [0] * (BUCKETS * CELLS)
    squares = [0] * BUCKETS
    for count in (-1, 0, 2):
        bucket = count - MIN_COUNT
        share = rounds // 3 if count else rounds - 2 * (rounds // 3)
        won = share * dice.randint(420, 440) // 1000
        lost = share * dice.randint(470, 490) // 1000
        row = bucket * CELLS - MIN_HALVES
        cells[row + 2], cells[row - 2], cells[row] = won, lost, share - won - lost
        squares[bucket] = 100 * (won + lost)
    happened = {"dealer_17": rounds, "hands": rounds}
    events = tuple(happened.get(name, 0) for name in EVENTS)
    return Tally(cells=tuple(cells), squares=tuple(squares), events=events)


def pretended_answer(*, rounds: int, seed: int = SEED, chunks: int | None = None) -> Tally:
    """What a simulation of so many rounds must come to, or its first chunks alone."""
    return Tally.total(
        pretended(None, seed=seed, index=index, rounds=rounds_in(index, rounds=rounds))
        for index in range(chunks_of(rounds) if chunks is None else chunks)
    )


def rounds_of(chunks: int) -> int:
    """The rounds of the first whole chunks."""
    return sum(chunk_size(index) for index in range(chunks))


def written(values: Any) -> str:
    """As JSON, to compare byte by byte; with its keys in order, for PostgreSQL keeps them in one of its own."""
    return json.dumps(values, sort_keys=True)
