"""The exact value of a game: expected value and standard deviation of a round, and what is behind."""

from dataclasses import dataclass, replace
from math import sqrt

from jost.simulations.engine.chart import Chart
from jost.simulations.engine.rules import Dealing, Rules, RulesError

from .dealer import dealer_table, np
from .line import Line, Stands
from .moves import Moves
from .rounds import against
from .shoe import ACE, TEN, Shoe

FRESH = Dealing(mode="every_round")
NO_EXACT_VALUE = (
    "dealing.mode cut_card has no exact value: a round that uses many cards brings the cut card "
    "nearer, so how many rounds are dealt depends on the cards. Use fixed_rounds or every_round, "
    "or simulate it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """Figures of one round and one spot with a flat bet, in units of it; none is estimated.

    `insurance` is the value of one unit put on it when only the dealer's ace has been seen,
    `blackjack` the chance of a player's, `dealer` a chance by upcard and result, before the peek.
    """

    rules: Rules
    chart: Chart
    ev: float
    sd: float | None
    insurance: float
    blackjack: float
    dealer: dict[str, dict[str, float]]

    @property
    def holds_for(self) -> str:
        return holds_for(self.rules)


def exact(rules: Rules, chart: Chart) -> Exact:
    """Everything at once; RulesError for a cut card, which has no exact value."""
    _refuse_cut_card(rules)
    shoe = Shoe.of(rules.decks)
    ev, square = moments(rules, chart, shoe=shoe)
    return Exact(
        rules=rules,
        chart=chart,
        ev=ev,
        sd=None if square is None else sqrt(square - ev * ev),
        insurance=insurance(shoe),
        blackjack=blackjack(shoe),
        dealer=dealer_table(rules.decks, hits_soft_17=rules.dealer_hits_soft_17),
    )


def exact_ev(rules: Rules, chart: Chart) -> float:
    """The expected value alone; RulesError for a cut card."""
    _refuse_cut_card(rules)
    return mean_of(rules, chart, shoe=Shoe.of(rules.decks))


def with_fresh_shoe(rules: Rules) -> Rules:
    """The same game dealt from a fresh shoe every round, which has an exact value."""
    return replace(rules, dealing=FRESH)


def has_exact_value(rules: Rules) -> bool:
    """A cut card comes sooner, in rounds, when many cards are used; an infinite shoe has none."""
    return rules.decks == 0 or rules.dealing.mode != "cut_card"


def holds_for(rules: Rules) -> str:
    if rules.decks == 0:
        return "every round: no card that is dealt changes an infinite shoe"
    if rules.dealing.mode == "fixed_rounds":
        return (
            f"each of the {rules.dealing.rounds} rounds of a shoe: "
            "their number is fixed, so what others saw is left to chance"
        )
    return "every round, each from a fresh shoe"


def insurance(shoe: Shoe) -> float:
    """Pays 2 to 1 if the hole card is a ten."""
    return 3 * shoe.without(ACE).chance(TEN) - 1


def blackjack(shoe: Shoe) -> float:
    """The chance of a player's."""
    return 2 * shoe.chance(ACE) * shoe.without(ACE).chance(TEN)


def moments(rules: Rules, chart: Chart, *, shoe: Shoe) -> tuple[float, float | None]:
    """The means of a round's payoff and of its square, from any shoe; the square needs NumPy."""
    mean, square = 0.0, 0.0
    for up in shoe.ranks():
        line = _line(rules, chart, shoe=shoe, up=up)
        mean += shoe.chance(up) * against(line)
        if np is not None:
            square += shoe.chance(up) * against(line.squared())
    return mean, square if np is not None else None


def mean_of(rules: Rules, chart: Chart, *, shoe: Shoe) -> float:
    return sum(
        shoe.chance(up) * against(_line(rules, chart, shoe=shoe, up=up)) for up in shoe.ranks()
    )


def _line(rules: Rules, chart: Chart, *, shoe: Shoe, up: int) -> Line:
    rest = shoe.without(up)
    return Line(
        rules=rules,
        up=up,
        shoe=rest,
        moves=Moves.of(chart, up=up),
        stands=Stands(rest, up=up, rules=rules),
    )


def _refuse_cut_card(rules: Rules) -> None:
    if not has_exact_value(rules):
        raise RulesError(NO_EXACT_VALUE, field="dealing")
