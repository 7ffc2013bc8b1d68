"""One player against the dealer: a round on every lane at a time, phase by phase.

A phase goes over a list of lanes and writes the list of those that need another turn without a
branch: each lane is put down, and the length grows by 0 or 1. So nothing is left for the
processor to guess wrong, card after card. `compiled` builds the twin of these same functions.
"""

from .hands import bucket_now, settle_split, split, true_count
from .layout import (
    ALIVE,
    CARD_ROW,
    CLASS,
    COUNT_LIMIT,
    COUNTING,
    COUNTS,
    DEALER,
    DEALER_CLASS,
    DEALER_DRAWS,
    DEALT,
    DOUBLED,
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
    STOP,
    STRIDE,
    TAGS,
    WORK,
)
from .shoes import Desk, index, prepare, replenish, whole


def play_step(desk: Desk, first: int, last: int) -> None:
    """Play one round on each of the lanes from first to last."""
    kind = desk[6][KIND]
    prepare(desk, first, last)
    if kind >= COUNTING:
        take_counts(desk, first, last)
    if kind == INDEXED:
        hits, splits = open_indexed(desk, first, last)
        hit_indexed(desk, hits)
    else:
        hits, splits = open_flat(desk, first, last)
        hit_flat(desk, hits)
    for at in range(splits):
        split_lane(desk, whole(desk[1][SPLITS + at]), kind == INDEXED)
    play_dealers(desk, first, last)
    settle(desk, first, last)
    for at in range(splits):
        lane = whole(desk[1][SPLITS + at])
        dealer, ends = whole(desk[1][DEALER + lane]), whole(desk[2][ENDS + lane])
        settle_split(desk, ends, dealer, whole(desk[2][PART + lane]))


def take_counts(desk: Desk, first: int, last: int) -> None:
    """Note the true count before the round, by which its result is kept."""
    marks = desk[2]
    for at in range(first, last):
        lane = index(at)
        marks[PART + lane] = bucket_now(desk, lane) * JOINT


def open_flat(desk: Desk, first: int, last: int) -> tuple[int, int]:
    """Deal two cards each and look up the first move: how many lanes hit, and split."""
    tables, lanes, marks, shoe, _, _, _ = desk
    hits, splits = 0, 0
    for at in range(first, last):
        lane = index(at)
        place = marks[PLACE + lane]
        marks[PLACE + lane] = place + 4
        mine = tables[OPENING + shoe[place] * CARD_ROW + shoe[place + 2]]
        both = shoe[place + 1] * CARD_ROW + shoe[place + 3]
        row = tables[ROW_OF + both]
        move = tables[FIRST + row * STATES + mine]
        lanes[DEALER + lane] = tables[DEALT + both]
        lanes[HAND + lane] = move & HAND_BITS
        # A doubled hand draws once: the row STOP ends it.
        lanes[ROW + lane] = STOP if move & DOUBLED else row
        lanes[HITS + hits] = lane
        hits += move >> 7
        lanes[SPLITS + splits] = lane
        splits += move == SPLIT
    return hits, splits


def open_indexed(desk: Desk, first: int, last: int) -> tuple[int, int]:
    """The same with moves, and insurance, by the true count of all cards but the hole card."""
    tables, lanes, marks, shoe, seen, _, book = desk
    hits, splits = 0, 0
    for at in range(first, last):
        lane = index(at)
        place = marks[PLACE + lane]
        marks[PLACE + lane] = place + 4
        hole = shoe[place + 3]
        running = seen[place + 4] - book[TAGS + hole]
        count = true_count(desk, running, place + 3 - lane * book[STRIDE])
        slot = tables[SLOT_OF + COUNT_LIMIT + count]
        mine = tables[OPENING + shoe[place] * CARD_ROW + shoe[place + 2]]
        both = shoe[place + 1] * CARD_ROW + hole
        row = tables[ROW_OF + both]
        move = tables[FIRST + slot * SLOT_ROWS + row * STATES + mine]
        marks[PART + lane] += tables[INSURES + slot * ROWS + row] * INSURED
        lanes[HOLE + lane] = hole
        lanes[DEALER + lane] = tables[DEALT + both]
        lanes[HAND + lane] = move & HAND_BITS
        lanes[ROW + lane] = STOP if move & DOUBLED else row
        lanes[HITS + hits] = lane
        hits += move >> 7
        lanes[SPLITS + splits] = lane
        splits += move == SPLIT
    return hits, splits


def hit_flat(desk: Desk, count: int) -> None:
    """Draw for the lanes in HITS until none wants another card."""
    tables, lanes, marks, shoe, _, _, _ = desk
    while count > 0:
        again = 0
        for at in range(count):
            lane = lanes[HITS + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = tables[NEXT + lanes[HAND + lane] * CARD_ROW + shoe[place]]
            lanes[HAND + lane] = hand
            marks[PLACE + lane] = place + 1
            lanes[HITS + again] = lane
            again += tables[LATER + lanes[ROW + lane] * STATES + hand]
        count = again


def hit_indexed(desk: Desk, count: int) -> None:
    """The same where the true count has a say in every card."""
    tables, lanes, marks, shoe, seen, _, book = desk
    while count > 0:
        again = 0
        for at in range(count):
            lane = lanes[HITS + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = tables[NEXT + lanes[HAND + lane] * CARD_ROW + shoe[place]]
            lanes[HAND + lane] = hand
            marks[PLACE + lane] = place + 1
            running = seen[place + 1] - book[TAGS + lanes[HOLE + lane]]
            count_now = true_count(desk, running, place - lane * book[STRIDE])
            slot = tables[SLOT_OF + COUNT_LIMIT + count_now]
            lanes[HITS + again] = lane
            again += tables[LATER + slot * SLOT_ROWS + lanes[ROW + lane] * STATES + hand]
        count = again


def split_lane(desk: Desk, lane: int, slotted: int) -> None:
    _, lanes, marks, shoe, _, _, _ = desk
    start = marks[PLACE + lane] - 4
    rank, hole = whole(shoe[start]), whole(shoe[start + 3])
    lanes[HAND + lane] = split(desk, lane, rank, whole(lanes[ROW + lane]), hole, slotted)


def play_dealers(desk: Desk, first: int, last: int) -> None:
    """Draw for the dealers of all lanes where a hand waits for one."""
    tables, lanes, marks, shoe, _, _, _ = desk
    count = 0
    for at in range(first, last):
        lane = index(at)
        lanes[WORK + count] = lane
        count += tables[DEALER_DRAWS + lanes[DEALER + lane]] & tables[ALIVE + lanes[HAND + lane]]
    while count > 0:
        again = 0
        for at in range(count):
            lane = lanes[WORK + at]
            if marks[PLACE + lane] >= marks[READY + lane]:
                replenish(desk, lane)
            place = marks[PLACE + lane]
            hand = tables[NEXT + lanes[DEALER + lane] * CARD_ROW + shoe[place]]
            lanes[DEALER + lane] = hand
            marks[PLACE + lane] = place + 1
            lanes[WORK + again] = lane
            again += tables[DEALER_DRAWS + hand]
        count = again


def settle(desk: Desk, first: int, last: int) -> None:
    """Count how hand and dealer ended; what that pays is looked up when the chunk is done."""
    tables, lanes, marks, _, _, _, _ = desk
    for at in range(first, last):
        lane = index(at)
        ended = tables[CLASS + lanes[HAND + lane]]
        dealer = tables[DEALER_CLASS + lanes[DEALER + lane]]
        marks[COUNTS + marks[PART + lane] + ended + dealer] += 1
