"""The exact calculator against every order of the cards of small shoes, played card by card.

What is here plays a round as a dealer at a table does, and shares no line with the calculator.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

import pytest

from jost.simulations.engine.chart import OF_PAIRS, PARTS, UPCARDS, Chart, Code
from jost.simulations.engine.rules import Dealing, Rules
from jost.simulations.exact.shoe import Shoe
from jost.simulations.exact.splits import terms_of
from jost.simulations.exact.whole import moments

Cards = tuple[int, ...]
# What a round pays, and how likely that is.
Payoffs = dict[Fraction, Fraction]

# How many cards of each rank, from ace to ten. No round of these runs out of cards.
SHOES = {
    "eights": (1, 0, 1, 0, 0, 1, 0, 5, 0, 6),
    "aces": (5, 0, 0, 0, 0, 0, 3, 0, 4, 6),
    "sixes": (2, 0, 0, 0, 0, 5, 0, 0, 4, 5),
    "tens": (2, 0, 0, 0, 0, 0, 2, 1, 0, 9),
}
HITS = {Code.HIT, Code.DOUBLE_OR_HIT, Code.SURRENDER_OR_HIT}
DOUBLES = {Code.DOUBLE_OR_HIT, Code.DOUBLE_OR_STAND}
SPLITS = {Code.SPLIT, Code.SURRENDER_OR_SPLIT}
SURRENDERS = {Code.SURRENDER_OR_HIT, Code.SURRENDER_OR_STAND, Code.SURRENDER_OR_SPLIT}


@dataclass(frozen=True)
class Play:
    """A round under way: `ended` hands as total and bets, hands that wait for their turn, the
    rank that was split, if any."""

    shoe: Cards
    waiting: tuple[Cards, ...]
    ended: tuple[tuple[int, int], ...] = ()
    split: int = 0

    @property
    def hand(self) -> Cards:
        return self.waiting[0]

    def holding(self, hand: Cards, shoe: Cards) -> Play:
        return replace(self, shoe=shoe, waiting=(hand, *self.waiting[1:]))

    def ending(self, hand: Cards, shoe: Cards, *, bets: int) -> Play:
        ended = tuple(sorted((*self.ended, (total_of(hand)[0], bets))))
        return replace(self, shoe=shoe, waiting=self.waiting[1:], ended=ended)

    def splitting(self) -> Play:
        card = self.hand[0]
        return replace(self, waiting=((card,), (card,), *self.waiting[1:]), split=card)


class Table:
    def __init__(self, rules: Rules, chart: Chart) -> None:
        self.rules, self.chart = rules, chart
        self.known: dict[tuple[Play, int, int], Payoffs] = {}

    def payoffs(self, shoe: Cards) -> Payoffs:
        return mixed(
            (p1 * p2 * p3 * p4, self.dealt(left4, (first, second), up, hole))
            for first, p1, left in drawn(shoe)
            for up, p2, left2 in drawn(left)
            for second, p3, left3 in drawn(left2)
            for hole, p4, left4 in drawn(left3)
        )

    def dealt(self, shoe: Cards, hand: Cards, up: int, hole: int) -> Payoffs:
        blackjack = {up, hole} == {1, 10}
        if set(hand) == {1, 10}:
            return sure(Fraction(0) if blackjack else Fraction(self.rules.blackjack_tenths, 10))
        surrenders = self.code(hand, up) in SURRENDERS
        if surrenders and self.rules.surrender == "early":
            return sure(Fraction(-1, 2))
        if blackjack and self.rules.dealer_peeks:
            return sure(Fraction(-1))
        if surrenders and self.rules.surrender == "late":
            return sure(Fraction(-1) if blackjack else Fraction(-1, 2))
        return self.goes_on(Play(shoe, (hand,)), up, hole)

    def goes_on(self, play: Play, up: int, hole: int) -> Payoffs:
        key = (play, up, hole)
        if key not in self.known:
            if play.waiting:
                ways = self.next_hand(play, up)
                self.known[key] = mixed((p, self.goes_on(next_, up, hole)) for p, next_ in ways)
            else:
                self.known[key] = self.dealer(play, (up, hole))
        return self.known[key]

    def next_hand(self, play: Play, up: int) -> Iterable[tuple[Fraction, Play]]:
        """Each way that the next card or decision may go, and its chance."""
        hand = play.hand
        code = self.code(hand, up)
        if len(hand) == 2 and code in SPLITS:
            most = 2 if hand == (1, 1) and not self.rules.resplit_aces else self.rules.max_hands
            if len(play.ended) + len(play.waiting) < most:
                return [(Fraction(1), play.splitting())]
            code = self.code_of_total(hand, up)
        if len(hand) == 2 and play.split == 1 and not self.rules.hit_split_aces:
            code = Code.STAND
        if len(hand) == 2 and code in DOUBLES and self.may_double(play):
            return [
                (chance, play.ending((*hand, card), left, bets=2))
                for card, chance, left in drawn(play.shoe)
            ]
        if code in HITS:
            return self.hit(play)
        return [(Fraction(1), play.ending(hand, play.shoe, bets=1))]

    def hit(self, play: Play) -> Iterator[tuple[Fraction, Play]]:
        for card, chance, left in drawn(play.shoe):
            hand = tuple(sorted((*play.hand, card)))
            if total_of(hand)[0] > 21:
                yield chance, play.ending(hand, left, bets=1)
            else:
                yield chance, play.holding(hand, left)

    def may_double(self, play: Play) -> bool:
        if play.split and not self.rules.double_after_split:
            return False
        total, soft = total_of(play.hand)
        lowest = {"any": 0, "9-11": 9, "10-11": 10}[self.rules.double_on]
        return lowest == 0 or (not soft and lowest <= total <= 11)

    def code(self, hand: Cards, up: int) -> Code:
        if len(hand) == 1:
            return Code.HIT
        if len(hand) == 2 and hand[0] == hand[1]:
            row = "AA" if hand[0] == 1 else f"{hand[0]}{hand[0]}"
            code = self.chart.pairs[row][column(up)]
            if code is not Code.NO_SPLIT:
                return code
        return self.code_of_total(hand, up)

    def code_of_total(self, hand: Cards, up: int) -> Code:
        total, soft = total_of(hand)
        if soft and total == 12:
            return Code.HIT
        if soft and total < 21:
            return self.chart.soft[f"A{total - 11}"][column(up)]
        if total > 17:
            return Code.STAND
        return self.chart.hard[str(max(total, 5))][column(up)]

    def dealer(self, play: Play, cards: Cards) -> Payoffs:
        total, soft = total_of(cards)
        if total < 17 or (total == 17 and soft and self.rules.dealer_hits_soft_17):
            return mixed(
                (chance, self.dealer(replace(play, shoe=left), (*cards, card)))
                for card, chance, left in drawn(play.shoe)
            )
        beaten = 22 if len(cards) == 2 and total == 21 else total if total < 22 else 0
        payoff = 0
        for mine, bets in play.ended:
            if mine > 21 or mine < beaten:
                payoff -= bets
            elif mine > beaten:
                payoff += bets
        return sure(Fraction(payoff))


def total_of(cards: Cards) -> tuple[int, bool]:
    """The total, and whether an ace counts 11 in it."""
    hard = sum(cards)
    return (hard + 10, True) if 1 in cards and hard <= 11 else (hard, False)


def column(up: int) -> int:
    return UPCARDS.index("A" if up == 1 else str(up))


def sure(payoff: Fraction) -> Payoffs:
    return {payoff: Fraction(1)}


def mixed(ways: Iterable[tuple[Fraction, Payoffs]]) -> Payoffs:
    result: defaultdict[Fraction, Fraction] = defaultdict(Fraction)
    for chance, payoffs in ways:
        for payoff, share in payoffs.items():
            result[payoff] += chance * share
    return dict(result)


def drawn(shoe: Cards) -> Iterator[tuple[int, Fraction, Cards]]:
    """Each card that may be next, its chance, and the shoe without it."""
    total = sum(shoe)
    assert total, "the shoe ran out: the test needs a larger one"
    for at, number in enumerate(shoe):
        if number:
            left = (*shoe[:at], number - 1, *shoe[at + 1 :])
            yield at + 1, Fraction(number, total), left


def any_chart(random: Random) -> Chart:
    """Codes at random, so that every path is taken; high hard totals are not hit."""
    of_hands = [code for code in Code if code not in OF_PAIRS]

    def row(part: str, name: str) -> tuple[Code, ...]:
        codes = list(Code) + 4 * [Code.SPLIT] if part == "pairs" else of_hands
        if part == "hard" and int(name) > 14:
            codes = [Code.STAND, Code.DOUBLE_OR_STAND, Code.SURRENDER_OR_STAND]
        return tuple(random.choice(codes) for _ in UPCARDS)

    rows = {part: {name: row(part, name) for name in names} for part, names in PARTS.items()}
    return Chart(hard=rows["hard"], soft=rows["soft"], pairs=rows["pairs"])


def any_rules(random: Random) -> Rules:
    return Rules(
        dealer_hits_soft_17=random.random() < 0.5,
        double_after_split=random.random() < 0.5,
        double_on=random.choice(["any", "9-11", "10-11"]),
        max_hands=random.choice([2, 3, 4]),
        resplit_aces=random.random() < 0.5,
        hit_split_aces=random.random() < 0.5,
        surrender=random.choice(["none", "late", "early"]),
        blackjack_pays=random.choice(["3:2", "6:5", "1:1"]),
        dealer_peeks=random.random() < 0.5,
        dealing=Dealing(mode="every_round"),
    )


def differences(name: str, *, seeds: Iterable[int]) -> Iterator[float]:
    """How far the mean and the mean square are from those over all orders of the cards."""
    shoe = SHOES[name]
    for seed in seeds:
        random = Random(f"{name} {seed}")
        rules, chart = any_rules(random), any_chart(random)
        payoffs = Table(rules, chart).payoffs(shoe)
        assert sum(payoffs.values()) == 1
        mean, square = moments(rules, chart, shoe=Shoe(tuple(map(float, shoe))))
        assert square is not None
        yield abs(mean - float(sum(payoff * share for payoff, share in payoffs.items())))
        yield abs(square - float(sum(payoff**2 * share for payoff, share in payoffs.items())))


@pytest.mark.parametrize("name", SHOES)
def test_small_shoes_are_worth_the_mean_over_all_orders_of_their_cards(name: str) -> None:
    assert max(differences(name, seeds=range(5))) < 1e-12


@pytest.mark.soak
@pytest.mark.parametrize("name", SHOES)
def test_any_chart_and_rules_are_worth_the_mean_over_all_orders(name: str) -> None:
    assert max(differences(name, seeds=range(5, 60))) < 1e-12


def test_ways_to_split_come_to_one_in_all() -> None:
    shoe = Shoe.of(1).without(4, 7, 7)

    for most_hands in (2, 3, 4):
        terms = terms_of(most_hands, together=0)
        chances = [
            number * shoe.chance_of_all(7, cards=gone) for (gone, _), number in terms.items()
        ]
        assert sum(chances) == pytest.approx(1, abs=1e-14)
