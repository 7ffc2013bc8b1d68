"""Basic strategy that looks at the total alone, computed from exact values for the given rules."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf

from jost.simulations.engine.chart import ELSES, PARTS, UPCARDS, Chart, Code
from jost.simulations.engine.rules import Dealing, Rules

from .hands import STATES, all_hands
from .line import Line, Stands
from .moves import HITS, Move, Moves, may_double, pair_row, row_of
from .rounds import lost_to_blackjack, surrendered, two_cards
from .shoe import NAMES, RANKS, Shoe

# Two twos are the only hard four of two cards; the chart has no row for it.
TWO = 1
# Part, row and upcard of a chart.
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is best for a hand against an upcard, and what each move open to it is worth.

    In units of the bet, when the decision is made: where the dealer peeks he then has no
    blackjack, unless surrender is early; otherwise he may still have one.
    """

    code: Code
    values: Mapping[Move, float]


def best_chart(rules: Rules) -> Chart:
    """The best move of each cell, for the two-card hands of its total by their chances."""
    cells = chart_values(rules)
    rows = {
        part: {name: tuple(cells[part, name, up].code for up in UPCARDS) for name in names}
        for part, names in PARTS.items()
    }
    return Chart(hard=rows["hard"], soft=rows["soft"], pairs=rows["pairs"])


def chart_values(rules: Rules) -> Mapping[Place, Cell]:
    """Every cell of the best chart, with the value of each move."""
    return _cells(
        replace(
            rules,
            # A chart does not depend on these.
            dealing=Dealing(mode="every_round"),
            blackjack_pays="3:2",
            seats=1,
            other_players=0,
        )
    )


@lru_cache(maxsize=32)
def _cells(rules: Rules) -> Mapping[Place, Cell]:
    return {
        (part, row, NAMES[up]): cell
        for up in range(RANKS)
        for part, row, cell in Column(rules, up=up).cells()
    }


class Column:
    """One upcard of the chart: the moves are decided one after the other, and kept in `moves`."""

    def __init__(self, rules: Rules, *, up: int) -> None:
        shoe = Shoe.of(rules.decks).without(up)
        self.rules = rules
        self.moves = Moves(
            {state: Moves.default(state) for state in STATES}, [Code.NO_SPLIT] * RANKS
        )
        self.line = Line(
            rules=rules,
            up=up,
            shoe=shoe,
            moves=self.moves,
            stands=Stands(shoe, up=up, rules=rules),
        )
        self.two_cards = list(two_cards(shoe))

    def cells(self) -> Iterator[tuple[str, str, Cell]]:
        # A state is decided after all that a further card makes of it, pairs after all totals.
        for state in STATES:
            row = row_of(state)
            if row is None or (state < int(PARTS["hard"][0])):
                continue
            cell = self._decide(state)
            self.moves.codes[state] = cell.code
            yield *row, cell
        # Hard 4 is played as hard 5.
        for state in range(1, 5):
            self.moves.codes[state] = self.moves.codes[5]
        self.line.count_splits(range(RANKS))
        for rank in range(RANKS):
            yield "pairs", pair_row(rank), self._decide_pair(rank)

    def _decide(self, state: int) -> Cell:
        states, of = all_hands().states, all_hands().of
        weights = [
            (first, second, chance)
            for first, second, chance in self.two_cards
            if first != second and states[of(first, second)] == state
        ]
        values = self._values(weights)
        return Cell(_code_of(values), self._shown(values, weights))

    def _decide_pair(self, rank: int) -> Cell:
        """Split or not, surrender or not by the pair's own cards; what else, by its total."""
        chance = next(c for first, second, c in self.two_cards if first == second == rank)
        weights = [(rank, rank, chance)]
        hand = all_hands().of(rank, rank)
        values = self._values(weights) | {Move.SPLIT: chance * self.line.split(rank)}
        total = self.moves.codes[all_hands().states[hand]]
        rest = ELSES.get(total, total)
        if rank == TWO:
            always = values.keys() - {Move.SPLIT, Move.SURRENDER}
            rest = _code_of({move: values[move] for move in always})
        unsplit = chance * self.line.first(hand, rest)
        code = Code.SPLIT if values[Move.SPLIT] > unsplit else rest
        if values.get(Move.SURRENDER, -inf) > max(values[Move.SPLIT], unsplit):
            code = _surrender_or(code)
        return Cell(Code.NO_SPLIT if code is total else code, self._shown(values, weights))

    def _values(self, hands: list[tuple[int, int, float]]) -> dict[Move, float]:
        """Each move but a split: its value by the chance of the hands."""
        line, of = self.line, all_hands().of
        numbered = [(of(first, second), chance) for first, second, chance in hands]

        def mean(value: Callable[[int], float]) -> float:
            return sum(chance * value(hand) for hand, chance in numbered)

        values = {Move.HIT: mean(line.hit), Move.STAND: mean(line.stand)}
        if may_double(all_hands().states[numbered[0][0]], rules=self.rules):
            values[Move.DOUBLE] = mean(line.double)
        if self.rules.surrender != "none":
            values[Move.SURRENDER] = 0.0
            for first, second, chance in hands:
                dealers = line.blackjack(first, second)
                lost = lost_to_blackjack(line, blackjack=dealers)
                values[Move.SURRENDER] += chance * (surrendered(line, blackjack=dealers) - lost)
        return values

    def _shown(
        self, values: Mapping[Move, float], hands: list[tuple[int, int, float]]
    ) -> dict[Move, float]:
        """Of one hand, at the moment of the decision."""
        all_chances = sum(chance for _, _, chance in hands)
        dealers = sum(chance * self.line.blackjack(*cards) for *cards, chance in hands)
        if not self.rules.dealer_peeks:
            dealers = 0.0
        if self.rules.surrender == "early":
            return {name: (value - dealers) / all_chances for name, value in values.items()}
        return {name: value / (all_chances - dealers) for name, value in values.items()}


def _code_of(values: Mapping[Move, float]) -> Code:
    """The best of these moves, and the best of those that are always open as its else."""
    hits = values[Move.HIT] >= values[Move.STAND]
    code = Code.HIT if hits else Code.STAND
    best = max(values[Move.HIT], values[Move.STAND])
    if values.get(Move.DOUBLE, -inf) > best:
        code = Code.DOUBLE_OR_HIT if hits else Code.DOUBLE_OR_STAND
        best = values[Move.DOUBLE]
    if values.get(Move.SURRENDER, -inf) > best:
        code = Code.SURRENDER_OR_HIT if hits else Code.SURRENDER_OR_STAND
    return code


def _surrender_or(code: Code) -> Code:
    """There is none for a double: its else."""
    without = Code.SPLIT if code is Code.SPLIT else Code.HIT if code in HITS else Code.STAND
    return next(surrender for surrender, other in ELSES.items() if other is without)
