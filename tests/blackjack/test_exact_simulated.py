"""Simulations against the exact calculator, which shares no code of play with the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jost.simulations.engine import Tally, count_chunk
from jost.simulations.engine.chart import Chart
from jost.simulations.engine.game import Game
from jost.simulations.engine.rules import Dealing, Rules
from jost.simulations.exact import best_chart, exact, exact_ev

pytestmark = pytest.mark.slow

ROUNDS = 2_000_000
# Enough to see a rule that is worth a hundredth of a percent.
MANY_ROUNDS = 400_000_000
# As many rounds as a shoe may have, here and below: it must not run short of cards.
GAME = Rules(dealing=Dealing(mode="fixed_rounds", rounds=44))


@pytest.fixture(scope="module")
def chart() -> Chart:
    """That of six decks with early surrender, played under all rules."""
    return best_chart(replace(GAME, surrender="early"))


def dealt(rounds: int) -> Dealing:
    return Dealing(mode="fixed_rounds", rounds=rounds)


RULE_SETS: dict[str, dict[str, Any]] = {
    "six decks": {},
    "fresh shoe": {"dealing": Dealing(mode="every_round")},
    "one round per shoe": {"dealing": dealt(1)},
    "one deck": {"decks": 1, "dealing": dealt(6)},
    "two decks": {"decks": 2, "dealing": dealt(13)},
    "four decks": {"decks": 4, "dealing": dealt(28)},
    "eight decks": {"decks": 8, "dealing": dealt(60)},
    "infinite": {"decks": 0, "dealing": dealt(60)},
    "infinite, H17, late": {"decks": 0, "dealer_hits_soft_17": True, "surrender": "late"},
    "H17": {"dealer_hits_soft_17": True},
    "no DAS": {"double_after_split": False},
    "double on 9-11": {"double_on": "9-11"},
    "double on 10-11": {"double_on": "10-11", "double_after_split": False},
    "two hands": {"max_hands": 2},
    "three hands": {"max_hands": 3},
    "resplit aces": {"resplit_aces": True},
    "hit split aces": {"hit_split_aces": True},
    "resplit and hit aces": {"resplit_aces": True, "hit_split_aces": True},
    "late surrender": {"surrender": "late"},
    "early surrender": {"surrender": "early"},
    "6:5": {"blackjack_pays": "6:5"},
    "1:1": {"blackjack_pays": "1:1"},
    "no hole card": {"dealer_peeks": False},
    "no hole card, late": {"dealer_peeks": False, "surrender": "late"},
    "no hole card, early": {"dealer_peeks": False, "surrender": "early", "resplit_aces": True},
    "three spots": {"seats": 3, "dealing": dealt(22)},
    "other players": {"other_players": 4, "dealing": dealt(15)},
    "one deck, H17, all": {
        "decks": 1,
        "dealer_hits_soft_17": True,
        "surrender": "late",
        "resplit_aces": True,
        "blackjack_pays": "6:5",
        "dealing": dealt(4),
    },
}


def played(rules: Rules, chart: Chart, *, rounds: int = ROUNDS) -> Tally:
    return count_chunk(Game(rules=rules, chart=chart), seed=7, index=0, rounds=rounds)


def errors_apart(rules: Rules, chart: Chart, *, rounds: int) -> float:
    """How many standard errors are between the simulated value and the exact one."""
    estimate = played(rules, chart, rounds=rounds).estimate()
    assert estimate is not None
    return abs(estimate.ev - exact_ev(rules, chart)) / estimate.standard_error


@pytest.mark.parametrize("name", RULE_SETS)
def test_simulated_value_is_within_four_standard_errors_of_the_exact_one(
    name: str, chart: Chart
) -> None:
    assert errors_apart(replace(GAME, **RULE_SETS[name]), chart, rounds=ROUNDS) < 4


@pytest.mark.soak
@pytest.mark.parametrize("name", RULE_SETS)
def test_long_simulation_is_within_four_standard_errors_of_the_exact_value(
    name: str, chart: Chart
) -> None:
    assert errors_apart(replace(GAME, **RULE_SETS[name]), chart, rounds=MANY_ROUNDS) < 4


def test_simulated_one_deck_is_the_exact_one_in_spread_and_blackjacks(chart: Chart) -> None:
    rules = replace(GAME, **RULE_SETS["one deck, H17, all"])
    tally = played(rules, chart)
    estimate = tally.estimate()
    found = exact(rules, chart)
    dealers = sum(
        (4 if up == "10" else 1) / 13 * chances["blackjack"] for up, chances in found.dealer.items()
    )

    assert estimate is not None
    assert estimate.sd == pytest.approx(found.sd, abs=0.002)
    for event, chance in (("blackjacks", found.blackjack), ("dealer_blackjacks", dealers)):
        error = (chance / tally.rounds) ** 0.5
        assert tally.event(event) / tally.rounds == pytest.approx(chance, abs=4 * error)
