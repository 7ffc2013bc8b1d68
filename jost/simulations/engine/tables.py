"""The look-up tables of a game: what a card makes of a hand, and every move at every true count."""

from array import array
from functools import lru_cache
from typing import TypeAlias

from .chart import Chart, Row
from .game import Game
from .layout import (
    ACE,
    ACE_BLACKJACK,
    AFTER,
    ALIVE,
    BLACKJACK,
    BUCKET_OF,
    BUST,
    CARD_ROW,
    CLASS,
    CLASS_BLACKJACK,
    CLASS_BUST,
    CLASS_LOW,
    CLASS_ROW,
    CLASS_SPLIT_LIVE,
    CLASS_SPLIT_LOST,
    CLASS_SURRENDERED,
    COUNT_LIMIT,
    DEALER_BLACKJACK,
    DEALER_BUST,
    DEALER_CLASS,
    DEALER_DRAWS,
    DEALER_IDLE,
    DEALT,
    DOUBLED,
    DOUBLED_CLASS,
    DOUBLES,
    FIRST,
    INSURES,
    LATER,
    NEXT,
    OPENING,
    PAIR,
    ROW_OF,
    ROWS,
    SCORE,
    SLOT_OF,
    SLOT_ROWS,
    SOFT_0,
    SPLIT_LIVE,
    SPLIT_LOST,
    STATES,
    SURRENDERED,
    TEN,
    TEN_BLACKJACK,
)
from .moves import Moves, all_hands
from .plays import IndexPlay, chart_at, insurance_index
from .rules import Rules
from .tally import MAX_COUNT, MIN_COUNT

# Quoted: an array takes no type argument at run time before Python 3.12.
Cells: TypeAlias = "array[int]"
# A chart in a form that can be a key.
Parts: TypeAlias = tuple[tuple[tuple[str, Row], ...], ...]
RANKS = range(ACE, TEN + 1)
COUNTS = range(-COUNT_LIMIT, COUNT_LIMIT)
LOWEST_STAND = 17
# Rows that only a dealer's blackjack has, and the upcard that is seen.
BEHIND = ((ACE_BLACKJACK, ACE), (TEN_BLACKJACK, TEN))


def tables_of(game: Game) -> Cells:
    """Room for the bytes of the lanes, then all tables of a game."""
    parts = tuple(tuple(part.items()) for part in game.chart.parts.values())
    return array("B", _tables(game.rules, parts, game.plays if game.count else ()))


def hand_after(hand: int, *, card: int) -> int:
    """The hand that `card` makes of `hand`; an ace counts 11 while it can."""
    soft = hand > BUST
    total = hand - SOFT_0 if soft else hand
    if not soft and card == ACE and total + 11 <= 21:
        return SOFT_0 + total + 11
    total += card
    if total <= 21:
        return SOFT_0 + total if soft else total
    return total - 10 if soft else BUST


@lru_cache(maxsize=64)
def _tables(rules: Rules, parts: Parts, plays: tuple[IndexPlay, ...]) -> bytes:
    hard, soft, pairs = (dict(part) for part in parts)
    chart = Chart(hard=hard, soft=soft, pairs=pairs)
    slots = _slots(plays)
    tables = array("B", bytes(FIRST + (max(slots) + 1) * SLOT_ROWS))
    _write_cards(tables)
    _write_ends(tables, rules)
    _write_slot(tables, Moves(rules=rules, chart=chart), slot=0)
    insured_from = insurance_index(plays)
    for at, (count, slot) in enumerate(zip(COUNTS, slots, strict=True)):
        tables[BUCKET_OF + at] = min(max(count, MIN_COUNT), MAX_COUNT) - MIN_COUNT
        tables[SLOT_OF + at] = slot
        if slot and slot not in slots[:at]:
            moves = Moves(rules=rules, chart=chart_at(chart, plays, count=count))
            _write_slot(tables, moves, slot=slot)
            insures = insured_from is not None and count >= insured_from
            for row in (ACE, ACE_BLACKJACK):
                tables[INSURES + slot * ROWS + row] = insures
    return tables.tobytes()


def _slots(plays: tuple[IndexPlay, ...]) -> list[int]:
    """The slot of each of COUNTS: those at which the same plays apply share one."""
    if not plays:
        return [0] * len(COUNTS)
    slots: dict[tuple[bool, ...], int] = {}
    return [
        slots.setdefault(tuple(play.applies(count) for play in plays), len(slots) + 1)
        for count in COUNTS
    ]


def _write_cards(tables: Cells) -> None:
    for hand in (*range(BUST + 1), *range(SOFT_0 + 11, SOFT_0 + 22)):
        for card in RANKS:
            after = BUST if hand == BUST else hand_after(hand, card=card)
            tables[NEXT + hand * CARD_ROW + card] = after
            tables[NEXT + (hand + DOUBLED) * CARD_ROW + card] = after + DOUBLED
    for one in RANKS:
        for other in RANKS:
            both = one * CARD_ROW + other
            hand = hand_after(hand_after(0, card=one), card=other)
            natural = {one, other} == {ACE, TEN}
            pair = PAIR + one if one == other else hand
            tables[OPENING + both] = BLACKJACK if natural else pair
            tables[DEALT + both] = BLACKJACK if natural else hand
            behind = ACE_BLACKJACK if one == ACE else TEN_BLACKJACK
            tables[ROW_OF + both] = behind if natural else one


def _write_ends(tables: Cells, rules: Rules) -> None:
    for total in range(BUST):
        _write_total(tables, total, total=total)
        tables[DEALER_DRAWS + total] = total < LOWEST_STAND
    for total in range(11, 22):
        _write_total(tables, SOFT_0 + total, total=total)
        tables[DEALER_DRAWS + SOFT_0 + total] = total < LOWEST_STAND + rules.dealer_hits_soft_17
    for hand, ended in (
        (BUST, CLASS_BUST),
        (BLACKJACK, CLASS_BLACKJACK),
        (SURRENDERED, CLASS_SURRENDERED),
        (SPLIT_LIVE, CLASS_SPLIT_LIVE),
        (SPLIT_LOST, CLASS_SPLIT_LOST),
    ):
        tables[CLASS + hand] = ended * CLASS_ROW
    tables[CLASS + DOUBLED + BUST] = (CLASS_BUST + DOUBLED_CLASS) * CLASS_ROW
    tables[ALIVE + SPLIT_LIVE] = 1
    tables[DEALER_CLASS + BUST] = DEALER_BUST
    tables[DEALER_CLASS + BLACKJACK] = DEALER_BLACKJACK
    # It beats every total, where it was not looked for before hands were played.
    tables[SCORE + BLACKJACK] = 22


def _write_total(tables: Cells, hand: int, *, total: int) -> None:
    ended = CLASS_LOW + max(total - LOWEST_STAND + 1, 0)
    tables[CLASS + hand] = ended * CLASS_ROW
    tables[CLASS + DOUBLED + hand] = (ended + DOUBLED_CLASS) * CLASS_ROW
    tables[ALIVE + hand] = tables[ALIVE + DOUBLED + hand] = 1
    tables[SCORE + hand] = total
    tables[DEALER_CLASS + hand] = total - LOWEST_STAND if total >= LOWEST_STAND else DEALER_IDLE


def _write_slot(tables: Cells, moves: Moves, *, slot: int) -> None:
    for row, up in (*zip(RANKS, RANKS, strict=True), *BEHIND):
        slot_at = slot * SLOT_ROWS
        at = slot_at + row * STATES
        tables[FIRST + at + BLACKJACK] = BLACKJACK
        for hand in all_hands():
            if row == up or not moves.rules.dealer_peeks:
                tables[FIRST + at + hand] = moves.first(hand, up=up)
            else:
                tables[FIRST + at + hand] = moves.before_the_peek(hand, up=up)
            tables[LATER + slot_at + row * DOUBLES + hand] = moves.draws(hand, up=up)
            tables[AFTER + at + hand] = moves.after_split(hand, up=up)
