"""Shoes: random words, shuffling as far as needed, and the running count at every place.

Plain Python is the reference. `compiled` builds the twin of these same functions; there the names
WORD_* are unsigned 64-bit constants, and `word`, `whole` conversions. Both give the same bits: a
word is masked wherever it could outgrow 64 bits, every other number stays far below 63.
"""

from typing import Any, TypeAlias

from .layout import (
    AGES,
    AHEAD,
    CARDS,
    CLOSE,
    COUNTED,
    ENDLESS,
    INITIAL,
    LANES,
    LEFT,
    LIMIT,
    MORE,
    NEED,
    PER_SHOE,
    PLACE,
    READY,
    SPARE,
    START,
    STRIDE,
    TAGS,
    WORK,
)

# An array of the standard library, or NumPy's view of the same memory in the compiled twin.
Cells: TypeAlias = Any
# (tables, lanes, marks, shoe, seen, rng, book): see `layout`.
Desk: TypeAlias = Any

WORD_MASK = 0xFFFF_FFFF_FFFF_FFFF
WORD_17, WORD_19, WORD_23, WORD_41, WORD_45 = 17, 19, 23, 41, 45
WORD_16, WORD_LOW = 16, 0xFFFF
QUARTER = 1 << 16
word = int
whole = int
# A number that is never negative, which spares every use of it as an index a question.
index = int


def shuffle(shoe: Cells, rng: Cells, first: int, last: int, end: int) -> int:
    """Move cards drawn at random out of [first, end) to the places from first to last or beyond.

    The words are xoshiro256++; each gives four draws by multiply-and-shift, and the rare draw that
    would favour a card is thrown away. The order of the cards before does not matter.
    """
    a, b, c, d = rng[0], rng[1], rng[2], rng[3]
    place = first
    while place < last:
        total = (a + d) & WORD_MASK
        bits = ((((total << WORD_23) & WORD_MASK) | (total >> WORD_41)) + a) & WORD_MASK
        shifted = (b << WORD_17) & WORD_MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = ((d << WORD_45) & WORD_MASK) | (d >> WORD_19)
        for _ in range(4):
            span = end - place
            product = whole(bits & WORD_LOW) * span
            low = product & 0xFFFF
            if low > span or (span > 0 and low >= QUARTER % span):
                drawn = word(place + (product >> 16))
                here = word(place)
                card = shoe[drawn]
                shoe[drawn] = shoe[here]
                shoe[here] = card
                place += 1
            bits >>= WORD_16
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return place


def pour(shoe: Cells, rng: Cells, first: int, last: int) -> int:
    """Fill the places from an endless shoe, where no card that was dealt changes what comes."""
    place = first
    while place < last:
        product = last_word(rng) * 13
        shoe[place] = min((product >> 16) + 1, 10)
        place += (product & 0xFFFF) >= QUARTER % 13
    return place


def last_word(rng: Cells) -> int:
    """The lowest 16 bits of the next word."""
    a, b, c, d = rng[0], rng[1], rng[2], rng[3]
    total = (a + d) & WORD_MASK
    bits = ((((total << WORD_23) & WORD_MASK) | (total >> WORD_41)) + a) & WORD_MASK
    shifted = (b << WORD_17) & WORD_MASK
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = ((d << WORD_45) & WORD_MASK) | (d >> WORD_19)
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return whole(bits & WORD_LOW)


def extend(desk: Desk, lane: int, first: int, last: int) -> None:
    """Shuffle the lane's shoe from `first` to `last` or beyond, and count those cards."""
    _, _, marks, shoe, seen, rng, book = desk
    if book[ENDLESS]:
        ready = pour(shoe, rng, first, last)
    else:
        ready = shuffle(shoe, rng, first, last, lane * book[STRIDE] + book[CARDS])
    marks[READY + lane] = ready
    if book[COUNTED]:
        running = seen[first]
        for place in range(first, ready):
            running += book[TAGS + shoe[place]]
            seen[place + 1] = running


def new_shoe(desk: Desk, lane: int) -> None:
    """Take all cards back and shuffle as many as the shoe will probably need."""
    _, _, marks, _, seen, _, book = desk
    base = lane * book[STRIDE]
    seen[base] = book[INITIAL]
    extend(desk, lane, base, base + book[AHEAD])
    marks[PLACE + lane] = base
    marks[LEFT + lane] = max(book[PER_SHOE] - 1, 0)


def prepare(desk: Desk, first: int, last: int) -> None:
    """Make sure that a round can begin on the lanes from first to last."""
    _, lanes, marks, _, _, _, book = desk
    if book[PER_SHOE]:
        for lane in range(first, last):
            left = whole(marks[LEFT + lane])
            if left == 0:
                marks[LIMIT + lane] = 0
            else:
                marks[LEFT + lane] = left - 1
    count = 0
    for at in range(first, last):
        lane = index(at)
        lanes[WORK + count] = lane
        count += marks[PLACE + lane] >= marks[LIMIT + lane]
    for at in range(count):
        lane = whole(lanes[WORK + at])
        close = lane * book[STRIDE] + book[CLOSE]
        if marks[LIMIT + lane] == 0 or marks[PLACE + lane] >= close:
            new_shoe(desk, lane)
        while marks[READY + lane] < marks[PLACE + lane] + book[NEED]:
            ready = whole(marks[READY + lane])
            extend(desk, lane, ready, min(ready + MORE, lane * book[STRIDE] + book[CARDS]))
        marks[LIMIT + lane] = min(close, marks[READY + lane] - book[NEED] + 1)


def replenish(desk: Desk, lane: int) -> None:
    """Shuffle further within a round; where the shoe is used up, the discards of rounds before.

    Discards that come again are not counted: the count stands still until the shoe is changed,
    which is after this round.
    """
    _, _, marks, shoe, seen, rng, book = desk
    base = lane * book[STRIDE]
    end = base + book[CARDS]
    ready = whole(marks[READY + lane])
    if ready < end:
        extend(desk, lane, ready, min(ready + MORE, end))
        return
    again = ready - end
    discards = whole(marks[START + lane])
    more = min(again + MORE, discards - base)
    if again + MORE > SPARE or more <= again:
        # All cards lie on the table: those that came last come once more.
        marks[PLACE + lane] = end - MORE
        return
    shuffle(shoe, rng, base + again, base + more, discards)
    for at in range(again, more):
        shoe[end + at] = shoe[base + at]
        seen[end + at + 1] = seen[end]
    marks[READY + lane] = end + more


def ages(desk: Desk, step: int) -> int:
    """The first lane that plays step `step` of those that are not counted.

    They make every age of a shoe equally likely when counting begins, so that neither short
    chunks nor their ends favour the beginning of a shoe.
    """
    book = desk[6]
    return -(-(step + 1) * LANES // book[AGES])
