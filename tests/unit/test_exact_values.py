"""The exact calculator against published figures; their sources are in docs/exact-values.md."""

from dataclasses import replace

import pytest

from jost.simulations.engine.rules import Dealing, Rules, RulesError
from jost.simulations.exact import best_chart, dealer_table, exact, exact_ev

GAME = Rules(dealing=Dealing(mode="every_round"))


def percent(rules: Rules) -> float:
    return 100 * exact_ev(rules, best_chart(rules))


def test_six_decks_are_worth_what_is_published() -> None:
    assert percent(GAME) == pytest.approx(-0.405922, abs=5e-7)


@pytest.mark.parametrize(
    ("decks", "up", "bust"),
    [(0, "A", 0.115286), (0, "2", 0.353608), (0, "3", 0.373875), (0, "10", 0.212109)],
)
def test_dealer_busts_as_often_as_is_published(decks: int, up: str, bust: float) -> None:
    table = dealer_table(decks, hits_soft_17=False)

    assert table[up]["bust"] == pytest.approx(bust, abs=5e-7)
    assert sum(table[up].values()) == pytest.approx(1, abs=1e-12)


def test_insurance_and_blackjacks_are_the_counted_shares() -> None:
    six = exact(GAME, best_chart(GAME))
    one = exact(replace(GAME, decks=1), best_chart(replace(GAME, decks=1)))

    assert six.insurance == pytest.approx(-23 / 311, abs=1e-15)
    assert one.insurance == pytest.approx(-3 / 51, abs=1e-15)
    assert 100 * six.blackjack == pytest.approx(4.748949, abs=5e-7)
    assert 100 * one.blackjack == pytest.approx(4.826546, abs=5e-7)


def test_cut_card_is_refused_with_the_reason() -> None:
    with pytest.raises(RulesError, match="fixed_rounds or every_round") as refused:
        exact(Rules(), best_chart(Rules()))

    assert refused.value.field == "dealing"
