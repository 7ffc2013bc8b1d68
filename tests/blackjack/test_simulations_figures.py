"""The engine played in earnest, against the exact calculator, which shares no code of play with it.

All bounds are four standard errors: one false alarm in 16,000 seeds, and these seeds are fixed.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any

import pytest

from jost.simulations.engine import Tally, count_chunk
from jost.simulations.engine.tally import BET, Estimate, payoffs
from jost.simulations.exact import exact, exact_ev
from jost.simulations.setup import Setup

pytestmark = pytest.mark.slow

SEED = 20_260
ROUNDS = 10_000_000
EVERY = {"mode": "every_round"}


def fixed(rounds: int) -> dict[str, Any]:
    return {"mode": "fixed_rounds", "rounds": rounds}


# Every rule stands in some of them, alone and with others.
RULE_SETS: dict[str, dict[str, Any]] = {
    "six decks": {"dealing": EVERY},
    "six decks, 25 rounds a shoe": {"dealing": fixed(25)},
    "six decks, soft 17 is hit": {"dealer_hits_soft_17": True, "dealing": fixed(30)},
    "eight decks, Atlantic City": {"decks": 8, "surrender": "late", "dealing": fixed(40)},
    "four decks, nothing after splits": {
        "decks": 4,
        "double_after_split": False,
        "dealing": fixed(12),
    },
    "three decks": {"decks": 3, "dealing": fixed(10)},
    "five decks": {"decks": 5, "resplit_aces": True, "dealing": fixed(20)},
    "seven decks": {"decks": 7, "max_hands": 3, "dealing": fixed(33)},
    "two decks": {"decks": 2, "dealer_hits_soft_17": True, "dealing": fixed(7)},
    "two decks, 10 and 11 doubled": {"decks": 2, "double_on": "10-11", "dealing": EVERY},
    "one deck": {"decks": 1, "dealing": EVERY},
    "one deck, two rounds": {"decks": 1, "double_after_split": False, "dealing": fixed(2)},
    "one deck at 6:5": {
        "decks": 1,
        "blackjack_pays": "6:5",
        "dealer_hits_soft_17": True,
        "double_after_split": False,
        "dealing": EVERY,
    },
    "one deck, all splits": {
        "decks": 1,
        "resplit_aces": True,
        "hit_split_aces": True,
        "surrender": "early",
        "dealing": EVERY,
    },
    "9 to 11 doubled": {"double_on": "9-11", "dealing": EVERY},
    "even money": {"blackjack_pays": "1:1", "dealing": EVERY},
    "one split": {"max_hands": 2, "dealing": EVERY},
    "aces split again": {"resplit_aces": True, "dealing": EVERY},
    "split aces hit": {"hit_split_aces": True, "dealing": EVERY},
    "split aces hit and split again": {
        "resplit_aces": True,
        "hit_split_aces": True,
        "double_after_split": False,
        "dealing": fixed(20),
    },
    "late surrender, soft 17 is hit": {
        "surrender": "late",
        "dealer_hits_soft_17": True,
        "dealing": EVERY,
    },
    "early surrender": {"surrender": "early", "dealing": fixed(25)},
    "no hole card": {"dealer_peeks": False, "dealing": EVERY},
    "no hole card, two decks, late surrender": {
        "decks": 2,
        "dealer_peeks": False,
        "surrender": "late",
        "double_on": "9-11",
        "dealing": EVERY,
    },
    "no hole card, early surrender": {
        "dealer_peeks": False,
        "surrender": "early",
        "max_hands": 3,
        "dealing": EVERY,
    },
    "infinite": {"decks": 0, "dealing": EVERY},
    "infinite, Griffin": {
        "decks": 0,
        "double_after_split": False,
        "max_hands": 2,
        "dealing": EVERY,
    },
    "infinite, generous": {
        "decks": 0,
        "resplit_aces": True,
        "surrender": "late",
        "dealer_hits_soft_17": True,
        "dealing": EVERY,
    },
}

# Charts that nobody should play: their values must be right all the same.
CHARTS: dict[str, dict[str, Any]] = {
    "never busts": {
        "hard": {str(total): ["S"] * 10 for total in range(12, 18)},
    },
    "splits everything": {
        "pairs": {pair: ["P"] * 10 for pair in ("22", "33", "44", "55", "66", "77", "99", "1010")},
    },
    "doubles everything": {
        "hard": {str(total): ["D"] * 10 for total in range(5, 18)},
        "soft": {f"A{other}": ["Ds"] * 10 for other in range(2, 10)},
    },
    "surrenders everything": {
        "hard": {str(total): ["Rh"] * 10 for total in range(5, 18)},
        "pairs": {"88": ["Rp"] * 10, "1010": ["Rs"] * 10},
    },
}

# Spots share the dealer, and others use up cards: neither changes what one spot is worth.
RULE_SETS["three spots"] = {"seats": 3, "dealing": fixed(8)}
RULE_SETS["two spots among four others"] = {
    "seats": 2,
    "other_players": 4,
    "surrender": "late",
    "dealing": fixed(4),
}


NAMES = [*RULE_SETS, *CHARTS]


def setup_of(name: str) -> Setup:
    if name in CHARTS:
        return Setup.from_dict({"dealing": EVERY, "surrender": "late", "strategy": CHARTS[name]})
    return Setup.from_dict(RULE_SETS[name])


# The others are those of tests/blackjack/test_exact_simulated.py once more, with the strategy of each.
SHORT = (
    "two decks",
    "one deck, all splits",
    "no hole card, early surrender",
    "infinite, generous",
    "two spots among four others",
    *CHARTS,
)


def is_short(name: str, **_: object) -> bool:
    return name in SHORT


@cache
def simulated(name: str) -> Tally:
    game = setup_of(name).game
    return count_chunk(game, seed=SEED, index=NAMES.index(name), rounds=ROUNDS // game.rules.spots)


def estimate_of(tally: Tally) -> Estimate:
    estimate = tally.estimate()
    assert estimate is not None
    return estimate


@cache
def errors_apart(name: str) -> float:
    """How many standard errors the simulated value is above the exact one."""
    game = setup_of(name).game
    estimate = estimate_of(simulated(name))
    return (estimate.ev - exact_ev(game.rules, game.chart)) / estimate.standard_error


@pytest.mark.parametrize("name", NAMES)
def test_simulated_value_is_the_exact_one(name: str) -> None:
    assert abs(errors_apart(name)) < 4


@pytest.mark.soak
def test_all_rule_sets_together_are_as_far_apart_as_chance_has_it() -> None:
    """A small error everywhere would pass each test alone; the sum of squares has its own bound."""
    squares = sum(errors_apart(name) ** 2 for name in NAMES)

    # Of chi-squared: its mean is their number, its variance twice that.
    assert abs(squares - len(NAMES)) < 4 * sqrt(2 * len(NAMES))


@pytest.mark.parametrize("name", ["two decks", "doubles everything", "two spots among four others"])
def test_simulated_spread_is_the_exact_one(name: str) -> None:
    game = setup_of(name).game
    found = exact(game.rules, game.chart)
    whole = simulated(name).whole()
    variance = estimate_of(simulated(name)).sd ** 2

    fourth = sum(
        spots * (value / BET - found.ev) ** 4
        for value, spots in zip(payoffs(whole.blackjack_tenths), whole.cells, strict=True)
    ) / sum(whole.cells)

    # Spots of one round are not independent: as many as there are rounds are.
    assert found.sd is not None
    assert abs(found.sd**2 - variance) < 4 * sqrt((fourth - variance**2) / whole.rounds)


@pytest.mark.parametrize("name", ["one deck, all splits", "infinite, generous"])
def test_player_and_dealer_have_as_many_blackjacks_as_the_cards_say(name: str) -> None:
    rules = setup_of(name).rules
    tens, cards = (16 * rules.decks, 52 * rules.decks) if rules.decks else (16 * 10**9, 52 * 10**9)
    share = 2 * (tens / 4 / cards) * (tens / (cards - 1))
    tally = simulated(name)

    for event in ("blackjacks", "dealer_blackjacks"):
        error = sqrt(share * (1 - share) / ROUNDS)
        assert abs(tally.event(event) / ROUNDS - share) < 4 * error
