"""Runs one chunk, compiled where Numba is installed and in plain Python otherwise; same bits."""

import logging
import os
from array import array
from functools import cache
from hashlib import blake2b
from typing import Any, TypeAlias

from . import kernel
from .compiled import ways_to_compile
from .rules import CARDS_PER_DECK, Rules
from .tables import Cells, lookup_table
from .tally import Tally

log = logging.getLogger(__name__)

# Part of every random stream: raise it with any change that moves a single bit of an answer.
ENGINE_VERSION = 1
# Set to 1 to do without Numba, for instance to compare.
PURE_PYTHON_VARIABLE = "JOST_PURE_PYTHON"
# Cards shuffled beyond the cut card, or per fixed round, before the kernel has to ask for more.
CARDS_AHEAD, CARDS_PER_ROUND = 10, 6

Desk: TypeAlias = tuple[Cells, Cells, Cells, Cells, Cells]


def count_chunk(rules: Rules, *, seed: int, index: int, rounds: int, pure: bool = False) -> Tally:
    """Play chunk `index`: the same bits in every process, at every attempt, compiled or `pure`."""
    desk = _new_desk(rules, seed=seed, index=index)
    play = None if pure else _compiled_play()
    if play is None:
        kernel.play_rounds(desk, rounds)
    else:
        play(_as_numpy(desk), rounds)
    return Tally.from_counts(desk[-1])


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
            play(_as_numpy(_new_desk(Rules(), seed=0, index=0)), 10)
        except Exception:  # A damaged cache can raise anything.
            log.warning("The compiled engine does not run; trying another way.", exc_info=True)
        else:
            return play
    log.error("No compiled engine: simulations run in plain Python, ~200 times slower.")
    return None


def _new_desk(rules: Rules, *, seed: int, index: int) -> Desk:
    return (
        array("B", [card for card in _DECK for _ in range(rules.decks)]),
        _new_book(rules),
        _stream(seed=seed, index=index),
        lookup_table(rules),
        array("q", bytes(8 * kernel.COUNTS)),
    )


# Ranks: an ace is 1, and 10 stands for ten, jack, queen and king.
_DECK = [min(rank, 10) for rank in range(1, 14) for _ in range(CARDS_PER_DECK // 13)]


def _new_book(rules: Rules) -> Cells:
    book = array("q", bytes(8 * kernel.BOOK))
    if rules.rounds_per_shoe:
        likely = rules.rounds_per_shoe * CARDS_PER_ROUND + CARDS_AHEAD
        book[kernel.RULE_LEFT] = rules.rounds_per_shoe
    else:
        likely = rules.cut + CARDS_AHEAD
        # A shoe without a fixed number of rounds: more than it can ever hold.
        book[kernel.RULE_LEFT] = rules.cards
    book[kernel.CARDS] = rules.cards
    book[kernel.RULE_CUT] = rules.cut
    book[kernel.AHEAD] = min(likely, rules.cards)
    book[kernel.MAX_HANDS] = rules.max_hands
    return book


def _stream(*, seed: int, index: int) -> Cells:
    """The start of the chunk's own random stream: 256 bits hashed from seed and chunk index."""
    key = f"jost.simulations {ENGINE_VERSION} {seed} {index}".encode()
    digest = blake2b(key, digest_size=32).digest()
    words = (int.from_bytes(digest[place : place + 8], "little") for place in range(0, 32, 8))
    return array("Q", words)


def _as_numpy(desk: Desk) -> tuple[Any, ...]:
    """The same memory as NumPy arrays."""
    import numpy as np

    return tuple(np.frombuffer(cells, dtype=cells.typecode) for cells in desk)
