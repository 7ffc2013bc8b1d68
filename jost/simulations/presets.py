"""Games as casinos deal them: a name, a sentence and rules to begin with."""

from dataclasses import dataclass
from typing import Any

from .engine.rules import Dealing, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """`key` is what the command line, REST and a permalink call it."""

    key: str
    name: str
    sentence: str
    rules: Rules

    def to_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "name": self.name,
            "sentence": self.sentence,
            "rules": self.rules.to_dict(),
        }


def _cut_card(penetration: float) -> Dealing:
    return Dealing(penetration=penetration)


_EVERY_ROUND = Dealing(mode="every_round")

_ALL = (
    Preset(
        key="strip-6d",
        name="Las Vegas Strip, six decks",
        sentence="The good six-deck game: the dealer stands on soft 17, late surrender, aces "
        "are split again.",
        rules=Rules(surrender="late", resplit_aces=True),
    ),
    Preset(
        key="vegas-6d-h17",
        name="Las Vegas, six decks, H17",
        sentence="The usual shoe that pays 3:2: the dealer hits soft 17, late surrender, aces are "
        "split again.",
        rules=Rules(dealer_hits_soft_17=True, surrender="late", resplit_aces=True),
    ),
    Preset(
        key="vegas-6d-6-5",
        name="Las Vegas, six decks, 6:5",
        sentence="The low-limit shoe: a blackjack pays 6:5 and the dealer hits soft 17.",
        rules=Rules(dealer_hits_soft_17=True, blackjack_pays="6:5", resplit_aces=True),
    ),
    Preset(
        key="plain-6d",
        name="Six decks, S17, DAS",
        sentence="The game that most published figures are for: no surrender, aces split once.",
        rules=Rules(),
    ),
    Preset(
        key="plain-6d-h17",
        name="Six decks, H17, DAS",
        sentence="The same with a dealer who hits soft 17.",
        rules=Rules(dealer_hits_soft_17=True),
    ),
    Preset(
        key="double-deck-h17",
        name="Double deck, H17",
        sentence="Two decks as most of Nevada deals them: H17, double after split, 65 % dealt.",
        rules=Rules(decks=2, dealer_hits_soft_17=True, dealing=_cut_card(0.65)),
    ),
    Preset(
        key="double-deck-s17",
        name="Double deck, S17",
        sentence="The better double deck: S17, double after split, 65 % dealt.",
        rules=Rules(decks=2, dealing=_cut_card(0.65)),
    ),
    Preset(
        key="single-deck",
        name="Single deck, 3:2",
        sentence="One deck that still pays 3:2: H17, double on any two cards, not after a split.",
        rules=Rules(
            decks=1,
            dealer_hits_soft_17=True,
            double_after_split=False,
            dealing=_cut_card(0.5),
        ),
    ),
    Preset(
        key="reno-single-deck",
        name="Reno, single deck",
        sentence="One deck in the north of Nevada: H17, double on 10 and 11 only.",
        rules=Rules(
            decks=1,
            dealer_hits_soft_17=True,
            double_after_split=False,
            double_on="10-11",
            dealing=_cut_card(0.5),
        ),
    ),
    Preset(
        key="single-deck-6-5",
        name="Single deck, 6:5",
        sentence="One deck whose blackjack pays 6:5, which costs more than all good rules give.",
        rules=Rules(
            decks=1,
            dealer_hits_soft_17=True,
            blackjack_pays="6:5",
            dealing=_cut_card(0.5),
        ),
    ),
    Preset(
        key="atlantic-city-8d",
        name="Atlantic City, eight decks",
        sentence="Eight decks, S17, double after split, late surrender.",
        rules=Rules(decks=8, surrender="late"),
    ),
    Preset(
        key="caribbean-8d",
        name="Eight decks, H17",
        sentence="Eight decks on ships and islands: H17, double after split, no surrender.",
        rules=Rules(decks=8, dealer_hits_soft_17=True),
    ),
    Preset(
        key="european-6d",
        name="Europe, no hole card",
        sentence="The dealer takes no hole card and a blackjack takes all bets; double on 9 to 11.",
        rules=Rules(dealer_peeks=False, double_on="9-11"),
    ),
    Preset(
        key="british-6d",
        name="Britain, no hole card",
        sentence="Six decks without a hole card; double on any two cards, also after a split.",
        rules=Rules(dealer_peeks=False),
    ),
    Preset(
        key="macau-8d",
        name="Macau, early surrender",
        sentence="Eight decks without a hole card, with early surrender: here against an ace too, "
        "which Macau does not give and which is worth 0.4 %.",
        rules=Rules(decks=8, dealer_peeks=False, surrender="early"),
    ),
    Preset(
        key="shuffler-6d",
        name="Continuous shuffler",
        sentence="Six decks that are shuffled after every round: no count and no cut card helps.",
        rules=Rules(dealing=_EVERY_ROUND),
    ),
    Preset(
        key="infinite",
        name="Infinite shoe",
        sentence="The game of the first exact tables: cards never change what comes, S17, no "
        "double after split, one split.",
        rules=Rules(decks=0, double_after_split=False, max_hands=2, dealing=_EVERY_ROUND),
    ),
)
PRESETS = {preset.key: preset for preset in _ALL}
