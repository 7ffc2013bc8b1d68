"""The whole of a chunk: age the shoes, forget what happened meanwhile, then play and count."""

from .layout import (
    AGES,
    BOOK,
    BUCKETS,
    COUNTS,
    JOINT,
    KIND,
    LANES,
    LEDGER,
    TABLE,
)
from .lockstep import play_step
from .shoes import Desk, ages
from .table import play_tables


def play_rounds(desk: Desk, rounds: int) -> None:
    """Play `rounds` rounds, as evenly as can be on all lanes, and count what happened."""
    _, _, marks, _, _, _, book = desk
    for step in range(book[AGES]):
        play_lanes(desk, ages(desk, step), LANES)
    for at in range(COUNTS, COUNTS + BUCKETS * JOINT):
        marks[at] = 0
    for at in range(LEDGER, BOOK):
        book[at] = 0
    for _ in range(rounds // LANES):
        play_lanes(desk, 0, LANES)
    play_lanes(desk, 0, rounds % LANES)


def play_lanes(desk: Desk, first: int, last: int) -> None:
    if desk[6][KIND] == TABLE:
        play_tables(desk, first, last)
    else:
        play_step(desk, first, last)
