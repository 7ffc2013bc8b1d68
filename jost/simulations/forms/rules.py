"""The fields for the rules of a game; their names are the keys of a rules file, or close to them."""

from typing import Any, ClassVar

from jost.simulations.engine import Rules, RulesError
from jost.simulations.engine.rules import (
    MAX_DECKS,
    MAX_HANDS,
    MAX_PENETRATION,
    MAX_SEATS,
    MIN_DECKS,
    MIN_HANDS,
    MIN_PENETRATION,
    most_fixed_rounds,
)

from .fields import DescribedForm, number, segments, select, switch, whole

PERCENT = 100
# The rules say what fits fewer decks and more spots.
MOST_ROUNDS_PER_SHOE = most_fixed_rounds(MAX_DECKS)
SWITCHES = (
    "double_after_split",
    "resplit_aces",
    "hit_split_aces",
    "dealer_peeks",
)


class RulesFields(DescribedForm):
    """`rules_values()` has them as a rules file does; `initial_rules` is the way back."""

    PLACES: ClassVar[dict[str, str]] = {
        "dealing.mode": "mode",
        "dealing.penetration": "penetration",
        "dealing.rounds": "rounds_per_shoe",
        "dealing": "mode",
    }

    decks = segments(
        [(str(decks), str(decks) if decks else "∞") for decks in range(MIN_DECKS, MAX_DECKS + 1)],
        label="Decks",
        initial="6",
    )
    dealer_hits_soft_17 = segments(
        [("no", "stands"), ("yes", "hits")], label="Dealer on soft 17", initial="no"
    )
    double_after_split = switch("Double after split", initial=True)
    blackjack_pays = segments(
        [("3:2", "3:2"), ("6:5", "6:5"), ("1:1", "1:1")], label="Blackjack pays", initial="3:2"
    )
    surrender = segments(
        [("none", "none"), ("late", "late"), ("early", "early")], label="Surrender", initial="none"
    )
    mode = segments(
        [
            ("cut_card", "at a cut card"),
            ("fixed_rounds", "after fixed rounds"),
            ("every_round", "every round"),
        ],
        label="Shuffle",
        initial="cut_card",
    )
    penetration = number(
        "Penetration",
        initial=75,
        low=round(MIN_PENETRATION * PERCENT),
        high=round(MAX_PENETRATION * PERCENT),
        required=False,
        help_text="Share of the shoe in front of the cut card, in percent.",
    )
    rounds_per_shoe = whole(
        "Rounds per shoe", initial=25, low=1, high=MOST_ROUNDS_PER_SHOE, required=False
    )
    double_on = segments(
        [("any", "any"), ("9-11", "9-11"), ("10-11", "10-11")],
        label="Double on",
        initial="any",
    )
    max_hands = segments(
        [(str(hands), str(hands)) for hands in range(MIN_HANDS, MAX_HANDS + 1)],
        label="Split to",
        initial="4",
        help_text="Hands at most.",
    )
    resplit_aces = switch("Resplit aces")
    hit_split_aces = switch("Hit split aces")
    dealer_peeks = switch(
        "Dealer peeks for blackjack",
        initial=True,
        help_text="Off: no hole card, and a dealer's blackjack takes doubles and splits too.",
    )
    seats = select(
        [(str(seats), str(seats)) for seats in range(1, MAX_SEATS + 1)],
        label="Spots played",
        initial="1",
    )
    other_players = select(
        [(str(others), str(others)) for others in range(MAX_SEATS)],
        label="Other players",
        initial="0",
    )

    def rules_values(self) -> dict[str, Any]:
        """The keys of a rules file."""
        values = self.cleaned_data
        return {
            "decks": int(values["decks"]),
            "dealer_hits_soft_17": values["dealer_hits_soft_17"] == "yes",
            "double_on": values["double_on"],
            "max_hands": int(values["max_hands"]),
            "surrender": values["surrender"],
            "blackjack_pays": values["blackjack_pays"],
            "dealing": self._dealing(),
            "seats": int(values["seats"]),
            "other_players": int(values["other_players"]),
            **{name: values[name] for name in SWITCHES},
        }

    def rules(self) -> Rules | None:
        """The rules, None if they are not possible: then the form has the error."""
        try:
            return Rules.from_dict(self.rules_values())
        except RulesError as reason:
            self.refuse(reason)
            return None

    def _dealing(self) -> dict[str, Any]:
        values = self.cleaned_data
        dealing: dict[str, Any] = {"mode": values["mode"]}
        if values["mode"] == "cut_card" and values["penetration"] is not None:
            dealing["penetration"] = round(values["penetration"] / PERCENT, 6)
        if values["mode"] == "fixed_rounds" and values["rounds_per_shoe"] is not None:
            dealing["rounds"] = values["rounds_per_shoe"]
        return dealing


def initial_rules(rules: Rules) -> dict[str, Any]:
    """What the fields are filled with to say these rules."""
    dealing = rules.dealing
    filled: dict[str, Any] = {
        "decks": str(rules.decks),
        "dealer_hits_soft_17": "yes" if rules.dealer_hits_soft_17 else "no",
        "double_on": rules.double_on,
        "max_hands": str(rules.max_hands),
        "surrender": rules.surrender,
        "blackjack_pays": rules.blackjack_pays,
        "mode": dealing.mode,
        "seats": str(rules.seats),
        "other_players": str(rules.other_players),
        **{name: getattr(rules, name) for name in SWITCHES},
    }
    if dealing.penetration is not None:
        filled["penetration"] = f"{dealing.penetration * PERCENT:g}"
    if dealing.rounds is not None:
        filled["rounds_per_shoe"] = dealing.rounds
    return filled
