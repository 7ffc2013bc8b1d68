"""Runs one chunk, compiled where Numba is installed and in plain Python otherwise; same bits."""

import logging
import os
from functools import cache
from typing import Any

from .cells import tally_of
from .chart import HARD_ROWS, PAIR_ROWS, SOFT_ROWS, UPCARDS, Chart, Code
from .compiled import ways_to_compile
from .desk import ENGINE_VERSION, Desk, new_desk
from .game import Game
from .rounds import play_rounds
from .rules import Rules
from .tally import Tally

__all__ = ["ENGINE_VERSION", "count_chunk", "is_compiled", "warm_up"]

log = logging.getLogger(__name__)

# Set to 1 to do without Numba, for instance to compare.
PURE_PYTHON_VARIABLE = "JOST_PURE_PYTHON"


def count_chunk(game: Game, *, seed: int, index: int, rounds: int, pure: bool = False) -> Tally:
    """Play chunk `index`: the same bits in every process, at every attempt, compiled or `pure`."""
    desk = new_desk(game, seed=seed, index=index)
    play = None if pure else _compiled_play()
    if play is None:
        play_rounds(desk, rounds)
    else:
        play(_as_numpy(desk), rounds)
    return tally_of(desk, rules=game.rules)


def is_compiled() -> bool:
    return _compiled_play() is not None


def warm_up() -> None:
    """Compile, or load the compiled code, before the first job needs it."""
    _compiled_play()


@cache
def _compiled_play() -> Any:
    """The compiled `play_rounds`, tried once; None where there is none."""
    if os.environ.get(PURE_PYTHON_VARIABLE) == "1":
        return None
    for play in ways_to_compile():
        try:
            play(_as_numpy(new_desk(_trial(), seed=0, index=0)), 10)
        except Exception:  # A damaged cache can raise anything.
            log.warning("The compiled engine does not run; trying another way.", exc_info=True)
        else:
            return play
    log.error("No compiled engine: simulations run in plain Python, ~200 times slower.")
    return None


def _trial() -> Game:
    """A game to try the engine with; its player stands on everything."""
    row = (Code.STAND,) * len(UPCARDS)
    chart = Chart(
        hard=dict.fromkeys(HARD_ROWS, row),
        soft=dict.fromkeys(SOFT_ROWS, row),
        pairs=dict.fromkeys(PAIR_ROWS, row),
    )
    return Game(rules=Rules(), chart=chart)


def _as_numpy(desk: Desk) -> tuple[Any, ...]:
    """The same memory as NumPy arrays."""
    import numpy as np

    return tuple(np.frombuffer(cells, dtype=cells.typecode) for cells in desk)
