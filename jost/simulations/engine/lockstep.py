"""One player against the dealer: a round on every lane at a time, phase by phase.

A phase goes over a list of lanes and writes the list of those that need another turn without a
branch: each lane is put down, and the length grows by 0 or 1. So nothing is left for the
processor to guess wrong, card after card. `compiled` builds the twin of these same functions.
"""

from .hands import settle_split, split, true_count
from .layout import (
    ALIVE,
    BUCKET_OF,
    CARD_ROW,
    CLASS,
    COUNT_LIMIT,
    COUNTING,
    COUNTS,
    DEALER,
    DEALER_CLASS,
    DEALER_DRAWS,
    DEALT,
    DOUBLES,
    ENDS,
    FIRST,
    HAND,
    HAND_BITS,
    HITS,
    HOLE,
    INDEXED,
    INSURED,
    INSURES,
    JOINT,
    KIND,
    LATER,
    NEXT,
    OPENING,
    PART,
    PLACE,
    READY,
    ROW,
    ROW_OF,
    ROWS,
    SLOT_OF,
    SLOT_ROWS,
    SPLIT,
    SPLITS,
    STATES,
    STRIDE,
    TAGS,
    WORK,
)
from .shoes import Desk, index, prepare, replenish, whole


def play_step(desk: Desk, first: int, last: int) -> None:
    """Play one round on each of the lanes from first to last."""
    kind = desk[5][KIND]
    prepare(desk, first, last)
    if kind == COUNTING:
        take_counts(desk, first, last)
    if kind == INDEXED:
        hits, splits = open_indexed(desk, first, last)
        hit_indexed(desk, hits)
    else:
        hits, splits = open_flat(desk, first, last)
        hit_flat(desk, hits)
    for at in range(splits):
        split_lane(desk, whole(desk[0][SPLITS + at]), kind == INDEXED)
    play_dealers(desk, first, last)
    settle(desk, first, last)
    for at in range(splits):
        lane = whole(desk[0][SPLITS + at])
        dealer, ends = whole(desk[0][DEALER + lane]), whole(desk[1][ENDS + lane])
        settle_split(desk, ends, dealer, whole(desk[1][PART + lane]))


def take_counts(desk: Desk, first: int, last: int) -> None:
    """Note the true count before the round, by which its result is kept."""
    cells, marks, _, seen, _, book = desk
    stride = book[STRIDE]
    base = first * stride
    for at in range(first, last):
        lane = index(at)
        place = marks[PLACE + lane]
        count = true_count(marks, whole(seen[place]), place - base)
        marks[PART + lane] = cells[BUCKET_OF + COUNT_LIMIT + count] * JOINT
        base += stride


def open_flat(desk: Desk, first: int, last: int) -> tuple[int, int]:
    """Deal two cards each and look up the first move: how many lanes hit, and split."""
    cells, marks, shoe, _, _, _ = desk
    hits, splits = 0, 0
    for at in range(first, last):
        lane = index(at)
        place = marks[PLACE + lane]
        marks[PLACE + lane] = place + 4
        mine = cells[OPENING + shoe[place] * CARD_ROW + shoe[place + 2]]
        both = shoe[place + 1] * CARD_ROW + shoe[place + 3]
        row = cells[ROW_OF + both]
        move = cells[FIRST + row * STATES + mine]
        cells[DEALER + lane] = cells[DEALT + both]
        cells[HAND + lane] = move & HAND_BITS
        cells[ROW + lane] = row
        cells[HITS + hits] = lane
        hits += move >> 7
        cells[SPLITS + splits] = lane
        splits += move == SPLIT
    return hits, splits


def open_indexed(desk: Desk, first: int, last: int) -> tuple[int, int]:
    """The same with moves, and insurance, by the true count of all cards but the hole card."""
    cells, marks, shoe, seen, _, book = desk
    hits, splits = 0, 0
    stride = book[STRIDE]
    base = first * stride
    for at in range(first, last):
        lane = index(at)
        place = marks[PLACE + lane]
        marks[PLACE + lane] = place + 4
        count = true_count(marks, whole(seen[place]), place - base)
        part = cells[BUCKET_OF + COUNT_LIMIT + count] * JOINT
        hole = shoe[place + 3]
        running = seen[place + 4] - book[TAGS + hole]
        count = true_count(marks, running, place + 3 - base)
        base += stride
        slot = cells[SLOT_OF + COUNT_LIMIT + count]
        mine = cells[OPENING + shoe[place] * CARD_ROW + shoe[place + 2]]
        both = shoe[place + 1] * CARD_ROW + hole
        row = cells[ROW_OF + both]
        move = cells[FIRST + slot * SLOT_ROWS + row * STATES + mine]
        marks[PART + lane] = part + cells[INSURES + slot * ROWS + row] * INSURED
        cells[HOLE + lane] = hole
        cells[DEALER + lane] = cells[DEALT + both]
        cells[HAND + lane] = move & HAND_BITS
        cells[ROW + lane] = row
        cells[HITS + hits] = lane
        hits += move >> 7
        cells[SPLITS + splits] = lane
        splits += move == SPLIT
    return hits, splits


def hit_flat(desk: Desk, count: int) -> None:
    """Draw for the lanes in HITS until none wants another card."""
    cells, marks, shoe, _, _, _ = desk
    while count > 0:
        again = 0
        for at in range(count):
            lane = cells[HITS + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = cells[NEXT + cells[HAND + lane] * CARD_ROW + shoe[place]]
            cells[HAND + lane] = hand
            marks[PLACE + lane] = place + 1
            cells[HITS + again] = lane
            again += cells[LATER + cells[ROW + lane] * DOUBLES + hand]
        count = again


def hit_indexed(desk: Desk, count: int) -> None:
    """The same where the true count has a say in every card."""
    cells, marks, shoe, seen, _, book = desk
    while count > 0:
        again = 0
        for at in range(count):
            lane = cells[HITS + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = cells[NEXT + cells[HAND + lane] * CARD_ROW + shoe[place]]
            cells[HAND + lane] = hand
            marks[PLACE + lane] = place + 1
            running = seen[place + 1] - book[TAGS + cells[HOLE + lane]]
            count_now = true_count(marks, running, place - lane * book[STRIDE])
            slot = cells[SLOT_OF + COUNT_LIMIT + count_now]
            cells[HITS + again] = lane
            again += cells[LATER + slot * SLOT_ROWS + cells[ROW + lane] * DOUBLES + hand]
        count = again


def split_lane(desk: Desk, lane: int, slotted: int) -> None:
    cells, marks, shoe, _, _, _ = desk
    start = marks[PLACE + lane] - 4
    rank, hole = whole(shoe[start]), whole(shoe[start + 3])
    cells[HAND + lane] = split(desk, lane, rank, whole(cells[ROW + lane]), hole, slotted)


def play_dealers(desk: Desk, first: int, last: int) -> None:
    """Draw for the dealers of all lanes where a hand waits for one."""
    cells, marks, shoe, _, _, _ = desk
    count = 0
    for at in range(first, last):
        lane = index(at)
        cells[WORK + count] = lane
        count += cells[DEALER_DRAWS + cells[DEALER + lane]] & cells[ALIVE + cells[HAND + lane]]
    while count > 0:
        again = 0
        for at in range(count):
            lane = cells[WORK + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = cells[NEXT + cells[DEALER + lane] * CARD_ROW + shoe[place]]
            cells[DEALER + lane] = hand
            marks[PLACE + lane] = place + 1
            cells[WORK + again] = lane
            again += cells[DEALER_DRAWS + hand]
        count = again


def settle(desk: Desk, first: int, last: int) -> None:
    """Count how hand and dealer ended; what that pays is looked up when the chunk is done."""
    cells, marks, _, _, _, _ = desk
    for at in range(first, last):
        lane = index(at)
        ended = cells[CLASS + cells[HAND + lane]]
        dealer = cells[DEALER_CLASS + cells[DEALER + lane]]
        marks[COUNTS + marks[PART + lane] + ended + dealer] += 1
