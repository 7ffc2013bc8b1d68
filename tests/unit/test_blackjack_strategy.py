"""The tables that the kernel reads, against exact figures for an infinite shoe."""

from functools import cache

import pytest

from jost.simulations.engine import Rules, kernel
from jost.simulations.engine.strategy import Chart, Move
from jost.simulations.engine.tables import lookup_table

DRAW = {card: (4 if card == 10 else 1) / 13 for card in range(1, 11)}


class InfiniteShoe:
    """Exact values of the engine's own tables when every card is drawn from a full deck."""

    def __init__(self, rules: Rules) -> None:
        self.lookup = lookup_table(rules)
        self.dealer = cache(self._dealer)
        self.dealer_after_peek = cache(self._dealer_after_peek)
        self.play = cache(self._play)

    def after(self, hand: int, card: int) -> int:
        return self.lookup[kernel.AFTER + hand * kernel.CARD_ROW + card]

    def score(self, hand: int) -> int:
        return self.lookup[kernel.SCORES + hand]

    def _dealer(self, hand: int) -> dict[int, float]:
        """Chances of the dealer's scores from `hand` on."""
        if not self.lookup[kernel.DRAWS + hand]:
            return {self.score(hand): 1.0}
        chances: dict[int, float] = {}
        for card, weight in DRAW.items():
            for score, chance in self.dealer(self.after(hand, card)).items():
                chances[score] = chances.get(score, 0.0) + weight * chance
        return chances

    def _dealer_after_peek(self, up: int) -> dict[int, float]:
        holes = {card: weight for card, weight in DRAW.items() if {up, card} != {1, 10}}
        chances: dict[int, float] = {}
        for card, weight in holes.items():
            hand = self.after(self.after(0, up), card)
            for score, chance in self.dealer(hand).items():
                chances[score] = chances.get(score, 0.0) + weight * chance / sum(holes.values())
        return chances

    def stand(self, hand: int, up: int) -> float:
        mine = self.score(hand)
        if not mine:
            return -1.0
        chances = self.dealer_after_peek(up).items()
        return sum(chance * ((mine > score) - (mine < score)) for score, chance in chances)

    def _play(self, hand: int, up: int, table: int) -> float:
        move = self.lookup[table + up * kernel.STATES + hand]
        if move == kernel.SURRENDER:
            return -0.5
        if move == kernel.STAND:
            return self.stand(hand, up)
        nexts = ((weight, self.after(hand, card)) for card, weight in DRAW.items())
        if move == kernel.DOUBLE:
            return 2 * sum(weight * self.stand(hand, up) for weight, hand in nexts)
        return sum(weight * self.play(hand, up, kernel.LATER) for weight, hand in nexts)

    def round_value(self, first: int, second: int, up: int) -> float:
        """The value of a round without resplits, given that the dealer has no blackjack."""
        hand = self.after(self.after(0, first), second)
        if hand == kernel.BLACKJACK:
            return 1.5
        if first != second or not self.lookup[kernel.SPLITS + up * kernel.CARD_ROW + first]:
            return self.play(hand, up, kernel.FIRST)
        value = 0.0
        for card, weight in DRAW.items():
            hand = self.after(self.after(0, first), card)
            if first == kernel.ACE:
                value += weight * self.stand(hand, up)
            else:
                value += weight * self.play(hand, up, kernel.SPLIT)
        return 2 * value

    def value(self) -> float:
        total = 0.0
        for up, up_weight in DRAW.items():
            peeked = DRAW[10] if up == 1 else DRAW[1] if up == 10 else 0.0
            for first, first_weight in DRAW.items():
                for second, second_weight in DRAW.items():
                    blackjack = {first, second} == {1, 10}
                    value = (1 - peeked) * self.round_value(first, second, up)
                    value -= 0.0 if blackjack else peeked
                    total += up_weight * first_weight * second_weight * value
        return total


@pytest.mark.parametrize(
    ("up", "published"), [(1, 0.115286), (2, 0.353608), (3, 0.373875), (10, 0.212109)]
)
def test_dealer_busts_as_often_as_published_for_an_infinite_shoe(up: int, published: float) -> None:
    shoe = InfiniteShoe(Rules())

    assert shoe.dealer(shoe.after(0, up))[0] == pytest.approx(published, abs=5e-7)


def test_value_of_the_strategy_is_griffins_for_an_infinite_shoe() -> None:
    shoe = InfiniteShoe(Rules(decks=8, double_after_split=False))
    # The two decisions where an infinite shoe differs from eight decks, by 0.1 % of a bet and less.
    for up, soft_total in ((5, 13), (4, 15)):
        shoe.lookup[kernel.FIRST + up * kernel.STATES + kernel.SOFT + soft_total] = kernel.HIT

    assert shoe.value() == pytest.approx(-0.00690223, abs=2e-7)


def test_doubling_after_a_split_and_surrender_are_worth_something_and_soft_17_costs() -> None:
    base = InfiniteShoe(Rules(decks=8, double_after_split=False)).value()
    with_das = InfiniteShoe(Rules(decks=8)).value()
    with_surrender = InfiniteShoe(
        Rules(decks=8, double_after_split=False, late_surrender=True)
    ).value()
    with_h17 = InfiniteShoe(Rules(decks=8, double_after_split=False, hit_soft_17=True)).value()

    assert 0.0010 < with_das - base < 0.0015
    assert 0.0007 < with_surrender - base < 0.0010
    assert 0.0019 < base - with_h17 < 0.0024


@pytest.mark.parametrize("decks", range(1, 9))
@pytest.mark.parametrize("hit_soft_17", [False, True])
def test_no_single_decision_can_be_improved_by_much_in_an_infinite_shoe(
    *, decks: int, hit_soft_17: bool
) -> None:
    # Fewer decks move borderline decisions, never by more than 2.5 % of a bet in an infinite shoe.
    allowed = 1e-9 if decks == 8 else 0.025
    rules = Rules(decks=decks, hit_soft_17=hit_soft_17)
    shoe = InfiniteShoe(rules)
    for up in range(1, 11):
        for total in range(5, 20):
            chosen = shoe.play(total, up, kernel.LATER)
            hit = sum(
                weight * shoe.play(shoe.after(total, card), up, kernel.LATER)
                for card, weight in DRAW.items()
            )
            assert max(hit, shoe.stand(total, up)) - chosen <= allowed, (total, up)


def test_chart_follows_the_dealers_soft_17() -> None:
    stands, hits = Chart.of(Rules()), Chart.of(Rules(hit_soft_17=True))

    assert (stands.hard(11, up=1), hits.hard(11, up=1)) == (Move.HIT, Move.DOUBLE_OR_HIT)
    assert (stands.soft(18, up=2), hits.soft(18, up=2)) == (Move.STAND, Move.DOUBLE_OR_STAND)
    assert (stands.soft(19, up=6), hits.soft(19, up=6)) == (Move.STAND, Move.DOUBLE_OR_STAND)


def test_chart_splits_more_pairs_when_splits_may_be_doubled() -> None:
    with_das, without = Chart.of(Rules()), Chart.of(Rules(double_after_split=False))

    assert with_das.splits(2, up=2)
    assert not without.splits(2, up=2)
    assert with_das.splits(4, up=5)
    assert not without.splits(4, up=5)


@pytest.mark.parametrize(
    ("decks", "hit_soft_17", "surrendered"),
    [
        (6, False, {(16, 9), (16, 10), (16, 1), (15, 10)}),
        (6, True, {(16, 9), (16, 10), (16, 1), (15, 10), (15, 1), (17, 1)}),
        (2, False, {(16, 10), (16, 1), (15, 10)}),
        (1, False, {(16, 10), (16, 1)}),
    ],
)
def test_surrenders_depend_on_decks_and_soft_17(
    *, decks: int, hit_soft_17: bool, surrendered: set[tuple[int, int]]
) -> None:
    chart = Chart.of(Rules(decks=decks, hit_soft_17=hit_soft_17, late_surrender=True))

    assert chart.surrendered == surrendered


def test_eights_against_an_ace_are_surrendered_when_the_dealer_hits_soft_17() -> None:
    with_surrender = Rules(hit_soft_17=True, late_surrender=True)

    assert not Chart.of(with_surrender).splits(8, up=1)
    assert Chart.of(Rules(hit_soft_17=True)).splits(8, up=1)
