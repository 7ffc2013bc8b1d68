"""The inner loop: shuffle, deal, play and count, with whole numbers only; runs in cpu workers.

Plain Python is the reference. `runner` compiles these same functions with Numba where it is
installed; the names WORD_* are then unsigned 64-bit constants, `word` and `whole` conversions.
Both give the same bits: a word is masked wherever it could outgrow 64 bits, and every other
number stays far below 63. This file imports nothing of ours: the compiled code kept on disk is
dropped when this file changes, and would not notice a change anywhere else.
"""

from typing import Any, TypeAlias

# An array of the standard library, or NumPy's view of the same memory in the compiled twin.
Cells: TypeAlias = Any
# (shoe, book, rng, lookup, counts): everything a round reads or writes but the place in the shoe.
Desk: TypeAlias = Any

# A hand is one number: its hard total 0..21, BUST, or SOFT + its soft total. Table rows are
# powers of two apart, so that a lookup is a shift and an or.
BUST, SOFT, STATES, CARD_ROW, ACE = 22, 32, 64, 16, 1
BLACKJACK = SOFT + 21
STAND, HIT, DOUBLE, SURRENDER = 0, 1, 2, 3

# Where each table begins in the lookup array.
AFTER = 0
FIRST = AFTER + STATES * CARD_ROW
SPLIT = FIRST + CARD_ROW * STATES
LATER = SPLIT + CARD_ROW * STATES
SPLITS = LATER + CARD_ROW * STATES
SCORES = SPLITS + CARD_ROW * CARD_ROW
DRAWS = SCORES + STATES

# The book: READY cards are shuffled out of END; a round begins before CUT while LEFT rounds remain.
READY, END, CUT, LEFT, ROUND_START, CARDS, RULE_CUT, RULE_LEFT, AHEAD, MAX_HANDS, BOOK = range(11)
STEP = 16

# The counts: rounds by net payoff in half bets from -16 to +16, then how the dealer ended, then
# what the player did. The order of the fields in `tally` follows it.
PAYOFFS = 33
EVEN = 16
DEALER_17 = PAYOFFS
DEALER_BUST, DEALER_BLACKJACK, DEALER_IDLE = PAYOFFS + 5, PAYOFFS + 6, PAYOFFS + 7
HANDS, BLACKJACKS, SURRENDERS, DOUBLES, RESPLITS, BUSTS, COUNTS = range(PAYOFFS + 8, PAYOFFS + 15)

# In half bets.
BET, BLACKJACK_PAYS = 2, 3

WORD_MASK = 0xFFFF_FFFF_FFFF_FFFF
WORD_LOW = 0xFFFF_FFFF
WORD_17, WORD_19, WORD_23, WORD_32, WORD_41, WORD_45 = 17, 19, 23, 32, 41, 45
WORD_2_TO_32 = 1 << 32
word = int
whole = int


def play_rounds(desk: Desk, rounds: int) -> None:
    """Play `rounds` rounds from a new shoe and add what happened to the counts."""
    _, book, _, _, counts = desk
    place = new_shoe(desk)
    for _ in range(rounds):
        if place >= book[CUT] or book[LEFT] == 0:
            place = new_shoe(desk)
        book[LEFT] -= 1
        book[ROUND_START] = place
        payoff, place = play_round(desk, place)
        counts[EVEN + payoff] += 1


def new_shoe(desk: Desk) -> int:
    """Take all cards back and shuffle as many as the shoe will probably need."""
    shoe, book, rng, _, _ = desk
    book[END] = book[CARDS]
    book[CUT] = book[RULE_CUT]
    book[LEFT] = book[RULE_LEFT]
    book[READY] = book[AHEAD]
    shuffle(shoe, rng, 0, book[AHEAD], book[CARDS])
    return 0


def shuffle(shoe: Cells, rng: Cells, first: int, last: int, end: int) -> None:
    """Move cards drawn at random out of [first, end) to the places [first, last).

    The words are xoshiro256++; each gives two draws by multiply-and-shift, and the rare draw that
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
        for half in (bits >> WORD_32, bits & WORD_LOW):
            if place < last:
                span = word(end - place)
                product = half * span
                low = product & WORD_LOW
                if low >= span or low >= WORD_2_TO_32 % span:
                    drawn = place + whole(product >> WORD_32)
                    card = shoe[drawn]
                    shoe[drawn] = shoe[place]
                    shoe[place] = card
                    place += 1
    rng[0], rng[1], rng[2], rng[3] = a, b, c, d


def replenish(desk: Desk, place: int) -> int:
    """Shuffle further, or when the shoe ran out in this round, the discards of those before."""
    shoe, book, rng, _, _ = desk
    if place < book[END]:
        last = min(place + STEP, book[END])
        shuffle(shoe, rng, place, last, book[END])
        book[READY] = last
        return place
    book[END] = book[ROUND_START]
    book[READY] = book[ROUND_START]
    book[CUT] = 0
    shuffle(shoe, rng, 0, book[END], book[END])
    return 0


def draw(desk: Desk, place: int) -> tuple[int, int]:
    if place >= desk[1][READY]:
        place = replenish(desk, place)
    return desk[0][place], place + 1


def play_round(desk: Desk, place: int) -> tuple[int, int]:
    """Deal and play one round; the net payoff in half bets and the next place in the shoe."""
    _, _, _, lookup, counts = desk
    first, place = draw(desk, place)
    up, place = draw(desk, place)
    second, place = draw(desk, place)
    hole, place = draw(desk, place)
    hand = lookup[AFTER + lookup[AFTER + first] * CARD_ROW + second]
    dealer = lookup[AFTER + lookup[AFTER + up] * CARD_ROW + hole]
    if hand == BLACKJACK:
        counts[BLACKJACKS] += 1
        counts[HANDS] += 1
        if dealer == BLACKJACK:
            counts[DEALER_BLACKJACK] += 1
            return 0, place
        counts[DEALER_IDLE] += 1
        return BLACKJACK_PAYS, place
    if dealer == BLACKJACK:
        counts[DEALER_BLACKJACK] += 1
        counts[HANDS] += 1
        return -BET, place
    if first == second and lookup[SPLITS + up * CARD_ROW + first]:
        return play_split(desk, place, first, up, dealer)
    return play_hand(desk, place, hand, up, dealer)


def play_hand(desk: Desk, place: int, hand: int, up: int, dealer: int) -> tuple[int, int]:
    """Play the one hand of a round that was not split."""
    _, _, _, lookup, counts = desk
    counts[HANDS] += 1
    move = lookup[FIRST + up * STATES + hand]
    if move == SURRENDER:
        counts[SURRENDERS] += 1
        counts[DEALER_IDLE] += 1
        return -1, place
    hand, stake, place = finish_hand(desk, place, hand, up, move)
    if hand == BUST:
        counts[DEALER_IDLE] += 1
        return -stake, place
    dealer_score, place = play_dealer(desk, place, dealer)
    score = lookup[SCORES + hand]
    return stake * ((score > dealer_score) - (score < dealer_score)), place


def finish_hand(desk: Desk, place: int, hand: int, up: int, move: int) -> tuple[int, int, int]:
    """Play a hand from its first move on: the last hand, its stake, the next place."""
    _, _, _, lookup, counts = desk
    stake = BET
    if move == DOUBLE:
        counts[DOUBLES] += 1
        stake = 2 * BET
        card, place = draw(desk, place)
        hand = lookup[AFTER + hand * CARD_ROW + card]
    else:
        while move == HIT:
            card, place = draw(desk, place)
            hand = lookup[AFTER + hand * CARD_ROW + card]
            move = lookup[LATER + up * STATES + hand]
    if hand == BUST:
        counts[BUSTS] += 1
    return hand, stake, place


def play_split(desk: Desk, place: int, rank: int, up: int, dealer: int) -> tuple[int, int]:
    """Split a pair, and further pairs up to the limit; a split ace gets one card."""
    _, book, _, lookup, counts = desk
    single = lookup[AFTER + rank]
    hands, played, net = 2, 0, 0
    # One byte per hand that waits for the dealer: score * 8 + stake, at most four of them.
    live = 0
    while played < hands:
        card, place = draw(desk, place)
        while card == rank and hands < book[MAX_HANDS] and rank != ACE:
            hands += 1
            card, place = draw(desk, place)
        hand = lookup[AFTER + single * CARD_ROW + card]
        stake = BET
        if rank != ACE:
            move = lookup[SPLIT + up * STATES + hand]
            hand, stake, place = finish_hand(desk, place, hand, up, move)
        if hand == BUST:
            net -= stake
        else:
            live = live * 256 + lookup[SCORES + hand] * 8 + stake
        played += 1
    counts[HANDS] += hands
    counts[RESPLITS] += hands - 1
    if live == 0:
        counts[DEALER_IDLE] += 1
        return net, place
    dealer_score, place = play_dealer(desk, place, dealer)
    while live > 0:
        score = live // 8 % 32
        net += live % 8 * ((score > dealer_score) - (score < dealer_score))
        live //= 256
    return net, place


def play_dealer(desk: Desk, place: int, dealer: int) -> tuple[int, int]:
    """Draw for the dealer; the score (0 for a bust) and the next place."""
    _, _, _, lookup, counts = desk
    while lookup[DRAWS + dealer]:
        card, place = draw(desk, place)
        dealer = lookup[AFTER + dealer * CARD_ROW + card]
    score = lookup[SCORES + dealer]
    counts[DEALER_17 + score - 17 if score else DEALER_BUST] += 1
    return score, place
