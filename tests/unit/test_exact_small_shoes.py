"""The exact calculator against every order of the cards of small shoes, played card by card.

What is here plays a round as a dealer at a table does, and shares no line with the calculator.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import pytest

from jost.simulations.engine.chart import PARTS, UPCARDS, Chart, Code
from jost.simulations.engine.rules import Dealing, Rules
from jost.simulations.exact.shoe import Shoe
from jost.simulations.exact.whole import moments

Cards = tuple[int, ...]
# Hands that have ended: total and bets. What a round pays: how likely.
Ended = tuple[tuple[int, int], ...]
Payoffs = dict[Fraction, Fraction]

# Cards from ace to ten. No round of these can run out of cards.
SHOES = {
    "eights": (1, 0, 1, 0, 0, 1, 0, 5, 0, 6),
    "aces": (5, 0, 0, 0, 0, 0, 3, 0, 4, 6),
    "sixes": (2, 0, 0, 0, 0, 5, 0, 0, 4, 5),
    "tens": (2, 0, 0, 0, 0, 0, 2, 1, 0, 9),
}


def total_of(cards: Cards) -> tuple[int, bool]:
    hard = sum(cards)
    return (hard + 10, True) if 1 in cards and hard <= 11 else (hard, False)


@dataclass
class Table:
    rules: Rules
    chart: Chart

    def __post_init__(self) -> None:
        self.known: dict[object, Payoffs] = {}

    def payoffs(self, shoe: Cards) -> Payoffs:
        result: Counter[Fraction] = Counter()
        for first, p1, left in drawn(shoe):
            for up, p2, left2 in drawn(left):
                for second, p3, left3 in drawn(left2):
                    for hole, p4, left4 in drawn(left3):
                        hand = (min(first, second), max(first, second))
                        for payoff, chance in self.dealt(left4, hand, up, hole).items():
                            result[payoff] += p1 * p2 * p3 * p4 * chance
        return result

    def dealt(self, shoe: Cards, hand: Cards, up: int, hole: int) -> Payoffs:
        dealers = {up, hole} == {1, 10}
        if set(hand) == {1, 10}:
            return sure(Fraction(0) if dealers else Fraction(self.rules.blackjack_tenths, 10))
        code = self.code(hand, up)
        gives_up = code in {Code.SURRENDER_OR_HIT, Code.SURRENDER_OR_STAND, Code.SURRENDER_OR_SPLIT}
        if gives_up and self.rules.surrender == "early":
            return sure(Fraction(-1, 2))
        if dealers and self.rules.dealer_peeks:
            return sure(Fraction(-1))
        if gives_up and self.rules.surrender == "late":
            return sure(Fraction(-1 if dealers else -1, 1 if dealers else 2))
        return self.goes_on(shoe, (), (hand,), up, hole, split=0)

    def goes_on(
        self,
        shoe: Cards,
        ended: Ended,
        waiting: tuple[Cards, ...],
        up: int,
        hole: int,
        *,
        split: int,
    ) -> Payoffs:
        """The first hand that waits is next; `split` is the rank that was split, if any."""
        key = (shoe, ended, waiting, up, hole, split)
        if key not in self.known:
            self.known[key] = self.next_card(shoe, ended, waiting, up, hole, split=split)
        return self.known[key]

    def next_card(
        self,
        shoe: Cards,
        ended: Ended,
        waiting: tuple[Cards, ...],
        up: int,
        hole: int,
        *,
        split: int,
    ) -> Payoffs:
        if not waiting:
            return self.dealer(shoe, ended, (up, hole))
        hand, later = waiting[0], waiting[1:]

        def ends(hand: Cards, bets: int, shoe: Cards) -> Payoffs:
            done = tuple(sorted((*ended, (total_of(hand)[0], bets))))
            return self.goes_on(shoe, done, later, up, hole, split=split)

        def hit(then_bets: int) -> Payoffs:
            result: Counter[Fraction] = Counter()
            for card, chance, left in drawn(shoe):
                more = (*sorted((*hand, card)),)
                if then_bets == 2 or total_of(more)[0] > 21:
                    after = ends(more, then_bets, left)
                else:
                    after = self.goes_on(left, ended, (more, *later), up, hole, split=split)
                for payoff, other in after.items():
                    result[payoff] += chance * other
            return result

        if len(hand) == 1:
            return hit(1)
        code = self.code(hand, up) if len(hand) == 2 else self.code_of_total(hand, up)
        if len(hand) == 2:
            hands = len(ended) + len(waiting)
            most = 2 if hand == (1, 1) and not self.rules.resplit_aces else self.rules.max_hands
            if code in {Code.SPLIT, Code.SURRENDER_OR_SPLIT}:
                if hands < most:
                    each = (hand[0],)
                    return self.goes_on(shoe, ended, (each, each, *later), up, hole, split=hand[0])
                code = self.code_of_total(hand, up)
            if split == 1 and not self.rules.hit_split_aces:
                return ends(hand, 1, shoe)
            if code in {Code.DOUBLE_OR_HIT, Code.DOUBLE_OR_STAND} and self.may_double(
                hand, split=split
            ):
                return hit(2)
        if code in {Code.HIT, Code.DOUBLE_OR_HIT, Code.SURRENDER_OR_HIT}:
            return hit(1)
        return ends(hand, 1, shoe)

    def may_double(self, hand: Cards, *, split: int) -> bool:
        if split and not self.rules.double_after_split:
            return False
        total, soft = total_of(hand)
        lowest = {"any": 0, "9-11": 9, "10-11": 10}[self.rules.double_on]
        return lowest == 0 or (not soft and lowest <= total <= 11)

    def code(self, hand: Cards, up: int) -> Code:
        if hand[0] != hand[1]:
            return self.code_of_total(hand, up)
        row = "AA" if hand[0] == 1 else f"{hand[0]}{hand[0]}"
        code = self.chart.pairs[row][column(up)]
        return self.code_of_total(hand, up) if code is Code.NO_SPLIT else code

    def code_of_total(self, hand: Cards, up: int) -> Code:
        total, soft = total_of(hand)
        if soft:
            if total == 12:
                return Code.HIT
            return Code.STAND if total == 21 else self.chart.soft[f"A{total - 11}"][column(up)]
        return Code.STAND if total > 17 else self.chart.hard[str(max(total, 5))][column(up)]

    def dealer(self, shoe: Cards, ended: Ended, cards: Cards) -> Payoffs:
        total, soft = total_of(cards)
        draws = total < 17 or (total == 17 and soft and self.rules.dealer_hits_soft_17)
        if draws:
            result: Counter[Fraction] = Counter()
            for card, chance, left in drawn(shoe):
                for payoff, other in self.dealer(left, ended, (*cards, card)).items():
                    result[payoff] += chance * other
            return result
        blackjack = len(cards) == 2 and total == 21
        payoff = 0
        for mine, bets in ended:
            if mine > 21 or blackjack:
                payoff -= bets
            elif total > 21 or mine != total:
                payoff += bets if total > 21 or mine > total else -bets
        return sure(Fraction(payoff))


def column(up: int) -> int:
    return UPCARDS.index("A" if up == 1 else str(up))


def sure(payoff: Fraction) -> Payoffs:
    return {payoff: Fraction(1)}


def drawn(shoe: Cards) -> Iterator[tuple[int, Fraction, Cards]]:
    """Each card that may be next, its chance, and the shoe without it."""
    total = sum(shoe)
    assert total, "the shoe ran out: the test needs a larger one"
    for at, number in enumerate(shoe):
        if number:
            left = (*shoe[:at], number - 1, *shoe[at + 1 :])
            yield at + 1, Fraction(number, total), left


def any_chart(random: Random) -> Chart:
    """Codes at random, so that every path is taken; only hands that cannot bust are always hit."""
    of_hands = [
        code for code in Code if code not in {Code.SPLIT, Code.NO_SPLIT, Code.SURRENDER_OR_SPLIT}
    ]

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


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", SHOES)
def test_small_shoe_is_worth_the_mean_over_all_orders_of_its_cards(name: str, seed: int) -> None:
    random = Random(f"{name} {seed}")
    rules, chart = any_rules(random), any_chart(random)
    payoffs = Table(rules, chart).payoffs(SHOES[name])
    mean = sum(payoff * chance for payoff, chance in payoffs.items())
    square = sum(payoff**2 * chance for payoff, chance in payoffs.items())

    found = moments(rules, chart, shoe=Shoe(tuple(float(n) for n in SHOES[name])))

    assert sum(payoffs.values()) == 1
    assert found == pytest.approx((float(mean), float(square)), abs=1e-12)
