"""Rounds dealt from a stacked shoe, by a chart written out here, to see what the engine makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jost.simulations.engine import Chart, Code, Count, Game, IndexPlay, Rules, Tally
from jost.simulations.engine import layout as at
from jost.simulations.engine.cells import tally_of
from jost.simulations.engine.chart import HARD_ROWS, PAIR_ROWS, SOFT_ROWS
from jost.simulations.engine.desk import new_desk
from jost.simulations.engine.lockstep import play_step
from jost.simulations.engine.shoes import count
from jost.simulations.engine.table import play_tables
from jost.simulations.engine.tally import MIN_HALVES

A, T = 1, 10

_CODES = {code.value: code for code in Code} | {"d": Code.DOUBLE_OR_STAND}
_HARD = [
    *["HHHHHHHHHH"] * 4,
    "HDDDDHHHHH",
    "DDDDDDDDHH",
    "DDDDDDDDDH",
    "HHSSSHHHHH",
    *["SSSSSHHHHH"] * 4,
    "SSSSSSSSSS",
]
_SOFT = [
    *["HHHDDHHHHH"] * 2,
    *["HHDDDHHHHH"] * 2,
    "HDDDDHHHHH",
    "SddddSSHHH",
    *["SSSSSSSSSS"] * 2,
]
_PAIRS = [
    *["PPPPPPNNNN"] * 2,
    "NNNPPNNNNN",
    "NNNNNNNNNN",
    "PPPPPNNNNN",
    "PPPPPPNNNN",
    "PPPPPPPPPP",
    "PPPPPNPPNN",
    "NNNNNNNNNN",
    "PPPPPPPPPP",
]
HI_LO = Count(name="hi-lo", tags=(-1, 1, 1, 1, 1, 1, 0, 0, 0, -1))


def chart(**cells: str) -> Chart:
    """The familiar chart of 6 decks, S17, DAS; `hard_16_vs_10="Rh"` changes a cell."""
    parts: dict[str, dict[str, list[Code]]] = {
        "hard": {name: _row(row) for name, row in zip(HARD_ROWS, _HARD, strict=True)},
        "soft": {name: _row(row) for name, row in zip(SOFT_ROWS, _SOFT, strict=True)},
        "pairs": {name: _row(row) for name, row in zip(PAIR_ROWS, _PAIRS, strict=True)},
    }
    for cell, code in cells.items():
        part, name, _, up = cell.split("_")
        parts[part][name][9 if up == "A" else int(up) - 2] = _CODES[code]
    return Chart(
        **{part: {name: tuple(row) for name, row in rows.items()} for part, rows in parts.items()}
    )


def game(*plays: IndexPlay, cells: dict[str, str] | None = None, **rules: Any) -> Game:
    """A game by that chart; counted by Hi-Lo where there are plays."""
    return Game(
        rules=Rules(**rules),
        chart=chart(**cells or {}),
        count=HI_LO if plays else None,
        plays=plays,
    )


@dataclass(frozen=True)
class Round:
    """What one round came to, in half bets of the player's spots together, and its tally."""

    half_bets: int
    tally: Tally
    used: int


def deal(cards: Sequence[int], played: Game | None = None) -> Round:
    """Play one round of exactly these cards: each spot, upcard, each spot, hole card, what is drawn."""
    desk = stacked(cards, played or game())
    book, marks = desk[-1], desk[1]
    play = play_tables if book[at.KIND] == at.TABLE else play_step
    play(desk, 0, 1)
    tally = tally_of(desk, rules=(played or game()).rules)
    return Round(tally.whole().payoff_sum // 5, tally, marks[at.PLACE])


def stacked(cards: Sequence[int], played: Game) -> Any:
    """A desk whose first lane has these cards next and no others."""
    desk = new_desk(played, seed=1, index=0)
    marks, shoe = desk[1], desk[2]
    shoe[: len(cards)] = type(shoe)("B", cards)
    count(desk, 0, 0, len(cards))
    marks[at.LIMIT] = len(cards)
    return desk


def cells_of(tally: Tally) -> dict[int, int]:
    """Spots by their payoff in half bets, or as a blackjack above all of these."""
    whole = tally.whole().cells
    return {cell + MIN_HALVES: spots for cell, spots in enumerate(whole) if spots}


def _row(codes: str) -> list[Code]:
    return [_CODES[code] for code in codes]
