"""Several spots at a table, the player's and others': spot by spot, on one lane after another."""

from .hands import bucket_now, draw, finish, settle_split, slot_now, split
from .layout import (
    ALIVE,
    CARD_ROW,
    CLASS,
    COUNTS,
    DEALER_BLACKJACK,
    DEALER_CLASS,
    DEALER_DRAWS,
    DEALER_ENDS,
    DEALER_IDLE,
    DEALT,
    ENDS,
    FIRST,
    INSURED,
    INSURES,
    JOINT,
    NEXT,
    OPENING,
    OTHERS,
    PAYS,
    PLACE,
    ROW_OF,
    ROWS,
    SEATS,
    SLOT_ROWS,
    SLOTTED,
    SPLIT,
    SPLIT_LIVE,
    SPLIT_LOST,
    SPOT_ENDS,
    SPOT_HAND,
    SQUARES,
    START,
    STATES,
)
from .shoes import Desk, prepare, whole


def play_tables(desk: Desk, first: int, last: int) -> None:
    """Play one round at each of the tables from first to last."""
    prepare(desk, first, last)
    for lane in range(first, last):
        play_table(desk, lane)


def play_table(desk: Desk, lane: int) -> None:
    """Deal to the others, then to the player's spots; play them in that order, then the dealer."""
    cells, marks, shoe, _, _, book = desk
    place = whole(marks[PLACE + lane])
    spots = book[OTHERS] + book[SEATS]
    hole = whole(shoe[place + 2 * spots + 1])
    both = whole(shoe[place + spots]) * CARD_ROW + hole
    row, dealer = whole(cells[ROW_OF + both]), whole(cells[DEALT + both])
    part = bucket_now(desk, lane) * JOINT
    marks[START + lane] = place
    marks[PLACE + lane] = place + 2 * spots + 2
    if book[SLOTTED]:
        slot = slot_now(desk, lane, hole) // SLOT_ROWS
        part += whole(cells[INSURES + slot * ROWS + row]) * INSURED
    waits = 0
    for spot in range(spots):
        slotted = book[SLOTTED] and spot >= book[OTHERS]
        waits |= play_spot(desk, lane, spot, row, hole, slotted)
    while waits and cells[DEALER_DRAWS + dealer]:
        dealer = whole(cells[NEXT + dealer * CARD_ROW + draw(desk, lane)])
    ended = whole(cells[DEALER_CLASS + dealer])
    book[DEALER_ENDS + (ended if waits or ended == DEALER_BLACKJACK else DEALER_IDLE)] += 1
    settle_table(desk, part, dealer)


def play_spot(desk: Desk, lane: int, spot: int, row: int, hole: int, slotted: int) -> int:
    """Play one spot to its end: 1 if it waits for the dealer."""
    cells, marks, shoe, _, _, book = desk
    start = whole(marks[START + lane])
    rank = whole(shoe[start + spot])
    second = whole(shoe[start + book[OTHERS] + book[SEATS] + 1 + spot])
    mine = whole(cells[OPENING + rank * CARD_ROW + second])
    slot = slot_now(desk, lane, hole) if slotted else 0
    move = whole(cells[FIRST + slot + row * STATES + mine])
    if move == SPLIT:
        hand = split(desk, lane, rank, row, hole, slotted)
    else:
        hand = finish(desk, lane, move, row, hole, slotted)
    cells[SPOT_HAND + spot] = hand
    marks[SPOT_ENDS + spot] = marks[ENDS + lane]
    return whole(cells[ALIVE + hand])


def settle_table(desk: Desk, part: int, dealer: int) -> None:
    """Count how each of the player's spots ended, and the square of what they came to together."""
    cells, marks, _, _, _, book = desk
    tenths = 0
    against = whole(cells[DEALER_CLASS + dealer])
    for spot in range(book[OTHERS], book[OTHERS] + book[SEATS]):
        hand = whole(cells[SPOT_HAND + spot])
        ended = whole(cells[CLASS + hand]) + against + part % JOINT
        marks[COUNTS + part // JOINT * JOINT + ended] += 1
        if hand in (SPLIT_LIVE, SPLIT_LOST):
            tenths += 5 * settle_split(desk, whole(marks[SPOT_ENDS + spot]), dealer, part)
        else:
            tenths += book[PAYS + ended]
    book[SQUARES + part // JOINT] += tenths * tenths
