"""Shoes: random words, shuffling as far as needed, and the running count at every place.

Plain Python is the reference. `compiled` builds the twin of these same functions; there the names
WORD_* are unsigned 64-bit constants, and `word`, `whole` conversions. Both give the same bits: a
word is masked wherever it could outgrow 64 bits, every other number stays far below 63. Arguments
go by place, because compiled functions know no other way.
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
    NEW,
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
# (cells, marks, shoe, seen, rng, book): see `layout`.
Desk: TypeAlias = Any

WORD_MASK = 0xFFFF_FFFF_FFFF_FFFF
WORD_17, WORD_19, WORD_23, WORD_41, WORD_45 = 17, 19, 23, 41, 45
WORD_16, WORD_32, WORD_LOW = 16, 32, 0xFFFF_FFFF
LOW, TWO_TO_32 = 0xFFFF_FFFF, 1 << 32
QUARTER = 1 << 16
word = int
whole = int
# A number that is never negative, which spares every use of it as an index a question.
index = int


def shuffle(shoe: Cells, rng: Cells, first: int, last: int, end: int) -> int:
    """Move cards drawn at random out of [first, end) to the places from first to last or beyond.

    The words are xoshiro256++. Each half draws three cards by multiply-and-shift, what is left of
    one product being the next one's draw; the rare half that would favour some cards is thrown
    away. The order of the cards before does not matter.
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
        for half in (bits >> WORD_32, bits & WORD_LOW):
            span = end - place
            one = whole(half) * span
            two = (one & LOW) * (span - 1)
            three = (two & LOW) * (span - 2)
            orders = span * (span - 1) * (span - 2)
            if span > 2 and ((three & LOW) > orders or (three & LOW) >= TWO_TO_32 % orders):
                swap(shoe, place, place + (one >> 32))
                swap(shoe, place + 1, place + 1 + (two >> 32))
                swap(shoe, place + 2, place + 2 + (three >> 32))
                place += 3
            elif span == 2:
                swap(shoe, place, place + (one >> 32))
                place += 2
            elif span == 1:
                place += 1
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return place


def shuffle_two(shoe: Cells, rng: Cells, one: int, other: int, count: int, cards: int) -> int:
    """Shuffle two whole shoes, which begin at `one` and `other`, for `count` cards or more.

    Card by card in turns, so that neither waits for what was just written to the other.
    """
    a, b, c, d = rng[0], rng[1], rng[2], rng[3]
    done = 0
    while done < count:
        total = (a + d) & WORD_MASK
        bits = ((((total << WORD_23) & WORD_MASK) | (total >> WORD_41)) + a) & WORD_MASK
        shifted = (b << WORD_17) & WORD_MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = ((d << WORD_45) & WORD_MASK) | (d >> WORD_19)
        span = cards - done
        first = whole(bits >> WORD_32) * span
        second = (first & LOW) * (span - 1)
        third = (second & LOW) * (span - 2)
        other_first = whole(bits & WORD_LOW) * span
        other_second = (other_first & LOW) * (span - 1)
        other_third = (other_second & LOW) * (span - 2)
        orders = span * (span - 1) * (span - 2)
        low = min(third & LOW, other_third & LOW)
        if low > orders or low >= TWO_TO_32 % orders:
            here, there = one + done, other + done
            swap(shoe, here, here + (first >> 32))
            swap(shoe, there, there + (other_first >> 32))
            swap(shoe, here + 1, here + 1 + (second >> 32))
            swap(shoe, there + 1, there + 1 + (other_second >> 32))
            swap(shoe, here + 2, here + 2 + (third >> 32))
            swap(shoe, there + 2, there + 2 + (other_third >> 32))
            done += 3
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d
    return done


def swap(shoe: Cells, one: int, other: int) -> None:
    here, there = index(one), index(other)
    card = shoe[there]
    shoe[there] = shoe[here]
    shoe[here] = card


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
    return whole(bits & WORD_LOW) & 0xFFFF


def extend(desk: Desk, lane: int, first: int, last: int) -> None:
    """Shuffle the lane's shoe from `first` to `last` or beyond, and count those cards."""
    _, _, shoe, _, rng, book = desk
    if book[ENDLESS]:
        ready = pour(shoe, rng, first, last)
    else:
        ready = shuffle(shoe, rng, first, last, lane * book[STRIDE] + book[CARDS])
    count(desk, lane, first, ready)


def count(desk: Desk, lane: int, first: int, ready: int) -> None:
    """Note the running count at every place of those that were shuffled."""
    _, marks, shoe, seen, _, book = desk
    marks[READY + lane] = ready
    if book[COUNTED]:
        running = whole(seen[first])
        for at in range(first, ready):
            place = index(at)
            running += book[TAGS + shoe[place]]
            seen[place + 1] = running


def new_shoes(desk: Desk, shoes: int) -> None:
    """Take back all cards of the lanes in NEW, and shuffle as many as will probably be needed."""
    cells, marks, shoe, seen, rng, book = desk
    stride, ahead = book[STRIDE], book[AHEAD]
    for at in range(shoes):
        lane = whole(cells[NEW + at])
        seen[lane * stride] = book[INITIAL]
        marks[PLACE + lane] = lane * stride
        marks[LEFT + lane] = max(book[PER_SHOE] - 1, 0)
    alone = shoes % 2
    if book[ENDLESS] or ahead + 3 > book[CARDS]:
        alone = shoes
    for at in range(alone):
        lane = whole(cells[NEW + at])
        extend(desk, lane, lane * stride, lane * stride + ahead)
    for at in range(alone, shoes, 2):
        one, other = whole(cells[NEW + at]), whole(cells[NEW + at + 1])
        done = shuffle_two(shoe, rng, one * stride, other * stride, ahead, book[CARDS])
        count(desk, one, one * stride, one * stride + done)
        count(desk, other, other * stride, other * stride + done)


def prepare(desk: Desk, first: int, last: int) -> None:
    """Make sure that a round can begin on the lanes from first to last."""
    cells, marks, _, _, _, book = desk
    if book[PER_SHOE]:
        end_of_shoes(desk, first, last)
    found = 0
    for at in range(first, last):
        lane = index(at)
        cells[WORK + found] = lane
        found += marks[PLACE + lane] >= marks[LIMIT + lane]
    shoes = 0
    for at in range(found):
        lane = whole(cells[WORK + at])
        cells[NEW + shoes] = lane
        limit = whole(marks[LIMIT + lane])
        shoes += limit == 0 or marks[PLACE + lane] >= lane * book[STRIDE] + book[CLOSE]
    new_shoes(desk, shoes)
    for at in range(found):
        begin(desk, whole(cells[WORK + at]))


def end_of_shoes(desk: Desk, first: int, last: int) -> None:
    """Where a shoe has a fixed number of rounds: have those changed that had theirs."""
    marks = desk[1]
    for at in range(first, last):
        lane = index(at)
        left = whole(marks[LEFT + lane])
        if left == 0:
            marks[LIMIT + lane] = 0
        else:
            marks[LEFT + lane] = left - 1


def begin(desk: Desk, lane: int) -> None:
    """Have enough cards for the deal, and decide from which place on to look again.

    Near the end of a shoe that is every round: the discards of those before may be needed.
    """
    _, marks, _, _, _, book = desk
    base, need = lane * book[STRIDE], book[NEED]
    end = base + book[CARDS]
    place = whole(marks[PLACE + lane])
    while marks[READY + lane] < place + need:
        ready = whole(marks[READY + lane])
        extend(desk, lane, ready, min(ready + MORE, end))
    marks[START + lane] = place
    limit = min(base + book[CLOSE], whole(marks[READY + lane]) - need + 1)
    marks[LIMIT + lane] = min(limit, max(end - SPARE, place + 1))


def replenish(desk: Desk, lane: int) -> None:
    """Shuffle further within a round; where the shoe is used up, the discards of rounds before.

    Discards that come again are not counted: the count stands still until the shoe is changed,
    which is after this round.
    """
    _, marks, shoe, seen, rng, book = desk
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
    book = desk[5]
    return whole(-(-(step + 1) * LANES // book[AGES]))
