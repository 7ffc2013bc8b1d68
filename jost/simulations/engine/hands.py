"""One hand at a time: draws, true counts, splits and what they win; see `shoes` for its twin."""

from .layout import (
    ACE,
    AFTER,
    BET,
    BLACKJACK,
    BUCKET_OF,
    BUCKETS,
    BUST,
    CARD_ROW,
    CARRY,
    CELLS,
    COUNT_LIMIT,
    COUNTED,
    DIVIDE,
    DOUBLED,
    DOUBLES,
    DRAWS,
    ENDS,
    EVEN_CELL,
    HAND_BITS,
    HIT_SPLIT_ACES,
    INSURED,
    JOINT,
    LATER,
    MAX_HANDS,
    NEXT,
    PAIR,
    PLACE,
    READY,
    RESPLIT_ACES,
    SCORE,
    SLOT_OF,
    SLOT_ROWS,
    SPLIT,
    SPLIT_BUSTS,
    SPLIT_CELLS,
    SPLIT_DOUBLES,
    SPLIT_LIVE,
    SPLIT_LOST,
    SPLITS_MADE,
    STATES,
    STRIDE,
    TAGS,
)
from .shoes import Cells, Desk, index, replenish, whole


def true_count(marks: Cells, running: int, seen: int) -> int:
    """Divide a running count exactly, by multiplication; held to the limits of the tables.

    Twice the numerator plus one lies half a step away from every whole quotient, which is more
    than the rounded reciprocal errs; CARRY lifts negative counts where they are truncated.
    """
    place = index(seen)
    lifted = 104 * running + 1 + ((running >> 63) & marks[CARRY + place])
    count = whole(lifted * marks[DIVIDE + place] >> 32)
    return min(max(count, -COUNT_LIMIT), COUNT_LIMIT - 1)


def slot_now(desk: Desk, lane: int, hole: int) -> int:
    """The offset of the tables for a decision now, when all but the hole card has been seen."""
    cells, marks, _, seen, _, book = desk
    place = whole(marks[PLACE + lane])
    running = seen[place] - book[TAGS + hole]
    count = true_count(marks, running, place - lane * book[STRIDE] - 1)
    return whole(cells[SLOT_OF + COUNT_LIMIT + count]) * SLOT_ROWS


def bucket_now(desk: Desk, lane: int) -> int:
    """The bucket of a round that begins now."""
    cells, marks, _, seen, _, book = desk
    if book[COUNTED] == 0:
        return whole(BUCKETS // 2)
    place = whole(marks[PLACE + lane])
    count = true_count(marks, whole(seen[place]), place - lane * book[STRIDE])
    return whole(cells[BUCKET_OF + COUNT_LIMIT + count])


def draw(desk: Desk, lane: int) -> int:
    _, marks, shoe, _, _, _ = desk
    if marks[PLACE + lane] >= marks[READY + lane]:
        replenish(desk, lane)
    place = marks[PLACE + lane]
    marks[PLACE + lane] = place + 1
    return whole(shoe[place])


def finish(desk: Desk, lane: int, move: int, row: int, hole: int, slotted: int) -> int:
    """Play a hand on from a first move to its end; a hand, with DOUBLED where that was its move."""
    cells = desk[0]
    hand = move & HAND_BITS
    if move & DRAWS:
        hand = whole(cells[NEXT + hand * CARD_ROW + draw(desk, lane)])
        while draws_on(desk, lane, hand, row, hole, slotted):
            hand = whole(cells[NEXT + hand * CARD_ROW + draw(desk, lane)])
    return hand


def draws_on(desk: Desk, lane: int, hand: int, row: int, hole: int, slotted: int) -> int:
    slot = slot_for(desk, lane, hole, slotted)
    return whole(desk[0][LATER + slot + row * DOUBLES + hand])


def slot_for(desk: Desk, lane: int, hole: int, slotted: int) -> int:
    return slot_now(desk, lane, hole) if slotted else whole(0)


def split(desk: Desk, lane: int, rank: int, row: int, hole: int, slotted: int) -> int:
    """Split a pair, and further pairs up to the limit: SPLIT_LIVE if a hand waits for the dealer.

    How the hands ended is left in the lane's ENDS: a byte of score (0 for a bust) and stake each.
    """
    cells, marks, _, _, _, book = desk
    single = whole(cells[NEXT + rank])
    hands, played, ends, live = 2, 0, 0, SPLIT_LOST
    while played < hands:
        card = draw(desk, lane)
        while card == rank and hands < book[MAX_HANDS] and (rank != ACE or book[RESPLIT_ACES]):
            slot = slot_for(desk, lane, hole, slotted)
            if cells[AFTER + slot + row * STATES + PAIR + rank] != SPLIT:
                break
            hands += 1
            card = draw(desk, lane)
        hand = whole(cells[NEXT + single * CARD_ROW + card])
        if rank != ACE or book[HIT_SPLIT_ACES]:
            slot = slot_for(desk, lane, hole, slotted)
            move = whole(cells[AFTER + slot + row * STATES + hand])
            hand = finish(desk, lane, move, row, hole, slotted)
        stake = BET * 2 if hand & DOUBLED else BET
        hand &= DOUBLED - 1
        if hand != BUST:
            live = SPLIT_LIVE
        ends = ends * 256 + whole(cells[SCORE + hand]) * 8 + stake
        played += 1
    marks[ENDS + lane] = ends
    return live


def settle_split(desk: Desk, ends: int, dealer: int, part: int) -> int:
    """Count the hands of a split and put what they came to into its cell; the half bets."""
    book = desk[5]
    against = whole(desk[0][SCORE + dealer])
    net, hands = 0, 0
    while ends > 0:
        stake, score = ends % 8, ends // 8 % 32
        if score == 0:
            book[SPLIT_BUSTS] += 1
        if stake > BET:
            book[SPLIT_DOUBLES] += 1
        if score > against:
            net += stake
        elif score < against or score == 0:
            net -= stake
        hands += 1
        ends //= 256
    book[SPLITS_MADE] += hands - 1
    if part & INSURED:
        net += BET if dealer == BLACKJACK else -1
    book[SPLIT_CELLS + part // JOINT * CELLS + EVEN_CELL + net] += 1
    return net
