"""Lays out a chunk: shoes, tables, the random stream, and room for what is counted."""

from array import array
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from . import layout
from .counting import Count
from .game import Game
from .layout import (
    CLASS_BLACKJACK,
    CLASS_BUST,
    CLASS_LOW,
    CLASS_ROW,
    CLASS_SURRENDERED,
    DEALER_BLACKJACK,
    DEALER_BUST,
    DOUBLED_CLASS,
    LANES,
    SPARE,
)
from .rules import CARDS_PER_DECK, Rules
from .tables import Cells, tables_of
from .tally import BET, HALF

# Part of every random stream: raise it with any change that moves a single bit of an answer.
ENGINE_VERSION = 2
# A dealer and a spot take 2.7 cards each, give or take.
CARDS_OF_A_HAND = 2.7
# The places that an endless shoe is dealt from, and where they begin anew.
ENDLESS_PLACES, ENDLESS_CLOSE = 416, 256
# Cards shuffled beyond those that a shoe will probably need.
BEYOND = 6

Desk: TypeAlias = tuple[Cells, Cells, Cells, Cells, Cells, Cells]


def new_desk(game: Game, *, seed: int, index: int) -> Desk:
    """Everything that chunk `index` reads or writes; see `layout`."""
    book = _new_book(game)
    stride = book[layout.STRIDE]
    return (
        tables_of(game),
        _new_marks(game),
        array("B", _new_shoe(game.rules, stride=stride) * LANES),
        array("h", bytes(2 * stride * LANES + 2)),
        stream(seed=seed, index=index),
        book,
    )


def stream(*, seed: int, index: int) -> Cells:
    """The start of the chunk's own random stream: 256 bits hashed from seed and chunk index."""
    key = f"jost.simulations {ENGINE_VERSION} {seed} {index}".encode()
    digest = blake2b(key, digest_size=32).digest()
    words = (int.from_bytes(digest[place : place + 8], "little") for place in range(0, 32, 8))
    return array("Q", words)


def _new_marks(game: Game) -> Cells:
    # Without a count all rounds are kept under the true count 0.
    marks = array("I", bytes(4 * (layout.COUNTS + layout.BUCKETS * layout.JOINT)))
    for lane in range(LANES):
        marks[layout.PART + lane] = layout.BUCKETS // 2 * layout.JOINT
    if game.count is not None:
        _write_divisors(marks, game.count, decks=game.rules.decks)
    return marks


def _write_divisors(marks: Cells, count: Count, *, decks: int) -> None:
    for seen in range(layout.PLACES):
        unseen = max(decks * CARDS_PER_DECK - seen, 1) if count.divided else CARDS_PER_DECK
        parts = unseen * count.scale
        marks[layout.DIVIDE + seen] = (2**32 + parts) // (2 * parts)
        marks[layout.CARRY + seen] = 2 * parts - 2 if count.rounding == "truncate" else 0


# Ranks: an ace is 1, and 10 stands for ten, jack, queen and king.
DECK = bytes(min(rank, 10) for rank in range(1, 14) for _ in range(CARDS_PER_DECK // 13))


def _new_shoe(rules: Rules, *, stride: int) -> bytes:
    cards = DECK * rules.decks
    return cards + bytes(stride - len(cards))


def _new_book(game: Game) -> Cells:
    rules = game.rules
    book = array("q", bytes(8 * layout.BOOK))
    cards = rules.cards or ENDLESS_PLACES
    need = 2 * rules.spots + 2
    a_round = CARDS_OF_A_HAND * (rules.spots + 1)
    close, ages, per_shoe = cards - need + 1, 0, 0
    likely = cards
    if not rules.decks:
        close = likely = ENDLESS_CLOSE
    elif rules.dealing.rounds_per_shoe:
        per_shoe = ages = rules.dealing.rounds_per_shoe
        likely = round(per_shoe * a_round)
    else:
        close = min(close, round(cards * (rules.dealing.penetration or 0)))
        ages = round(close / a_round)
        likely = close
    book[layout.CARDS] = cards
    book[layout.STRIDE] = cards + SPARE
    book[layout.AHEAD] = min(max(likely + BEYOND, need), cards)
    book[layout.CLOSE] = close
    book[layout.NEED] = need
    book[layout.PER_SHOE] = per_shoe
    book[layout.AGES] = ages
    book[layout.ENDLESS] = not rules.decks
    book[layout.MAX_HANDS] = rules.max_hands
    book[layout.RESPLIT_ACES] = rules.resplit_aces
    book[layout.HIT_SPLIT_ACES] = rules.hit_split_aces
    book[layout.SEATS] = rules.seats
    book[layout.OTHERS] = rules.other_players
    book[layout.KIND] = _kind(game)
    book[layout.PAYS : layout.PAYS + layout.JOINT] = array("q", joint_payoffs(rules))
    if game.count is not None and rules.decks:
        book[layout.COUNTED] = 1
        book[layout.SLOTTED] = bool(game.plays)
        _write_count(book, game.count, decks=rules.decks)
    return book


def _kind(game: Game) -> int:
    if game.rules.spots > 1:
        return layout.TABLE
    if game.count is None or not game.rules.decks:
        return layout.FLAT
    return layout.INDEXED if game.plays else layout.COUNTING


def _write_count(book: Cells, count: Count, *, decks: int) -> None:
    book[layout.INITIAL] = (count.initial + count.initial_per_deck * decks) * count.scale
    for rank, tag in enumerate(count.tags, start=1):
        book[layout.TAGS + rank] = tag


@lru_cache(maxsize=64)
def joint_payoffs(rules: Rules) -> tuple[int, ...]:
    """What each joint count pays, in tenths of the bet; splits are counted by their hands."""
    return tuple(
        _pays(rules, ended=joint % layout.INSURED // CLASS_ROW, dealer=joint % CLASS_ROW)
        + _insurance(joint)
        for joint in range(layout.JOINT)
    )


def _insurance(joint: int) -> int:
    if joint < layout.INSURED:
        return 0
    return BET if joint % CLASS_ROW == DEALER_BLACKJACK else -HALF


def _pays(rules: Rules, *, ended: int, dealer: int) -> int:
    blackjack = dealer == DEALER_BLACKJACK
    if ended == CLASS_BLACKJACK:
        return 0 if blackjack else rules.blackjack_tenths
    if ended == CLASS_SURRENDERED:
        return -BET if blackjack and rules.surrender == "late" else -HALF
    if ended > CLASS_SURRENDERED:
        return 0
    stake = 2 * BET if ended >= DOUBLED_CLASS else BET
    own = ended % DOUBLED_CLASS
    if own == CLASS_BUST or blackjack:
        return -stake
    if dealer == DEALER_BUST:
        return stake
    against = dealer + CLASS_LOW + 1
    return stake * ((own > against) - (own < against))
