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
from .shoes import Desk, ages, whole
from .table import play_tables


def play_rounds(desk: Desk, rounds: int) -> None:
    """Play `rounds` rounds, as evenly as can be on all lanes, and count what happened."""
    _, marks, _, _, _, book = desk
    # One type of number for all calls, or the compiled twin is built once for each.
    first, last = whole(0), whole(LANES)
    for step in range(book[AGES]):
        play_lanes(desk, ages(desk, step), last)
    for at in range(COUNTS, COUNTS + BUCKETS * JOINT):
        marks[at] = 0
    for at in range(LEDGER, BOOK):
        book[at] = 0
    for _ in range(rounds // LANES):
        play_lanes(desk, first, last)
    play_lanes(desk, first, rounds % LANES)


def play_lanes(desk: Desk, first: int, last: int) -> None:
    if desk[5][KIND] == TABLE:
        play_tables(desk, first, last)
    else:
        play_step(desk, first, last)
