"""The exact value of a rules file as one JSON object: the same in REST and on the command line."""

from typing import Any

from .exact import Exact
from .setup import Setup


def exact_answer(setup: Setup, found: Exact) -> dict[str, Any]:
    """What schemas/exact.json describes."""
    return {
        "ev": found.ev,
        "ev_standard_error": 0.0,
        "sd": found.sd,
        # None is played, so none stands under a true count.
        "rounds": 0,
        "per_true_count": [],
        "rules": setup.to_dict(),
        "dealing": str(found.rules.dealing),
        "holds_for": found.holds_for,
        "leaves_out": left_out(setup),
        "blackjack": found.blackjack,
        "insurance": found.insurance,
        "dealer": found.dealer,
    }


def left_out(setup: Setup) -> list[str]:
    """The keys of the rules file that this value does not depend on, though they say something."""
    said = {
        "counting": setup.game.count is not None,
        "index_plays": bool(setup.game.plays),
        "bets": setup.bets.by_count,
        "bankroll": setup.bankroll is not None,
    }
    return [key for key, says in said.items() if says]
