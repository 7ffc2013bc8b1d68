"""The chart that is shown for a true count says what the engine plays at it."""

from random import Random

import pytest

from jost.simulations.engine.chart import PARTS, UPCARDS, Chart, Code
from jost.simulations.engine.game import Game
from jost.simulations.engine.moves import Moves, all_hands, row_name
from jost.simulations.engine.plays import HANDS, INSURANCE, IndexPlay, chart_at, insurance_index
from jost.simulations.engine.rules import Rules

PAIRED = list(Code)
SINGLE = [code for code in Code if code not in {Code.SPLIT, Code.NO_SPLIT, Code.SURRENDER_OR_SPLIT}]


def random_chart(dice: Random) -> Chart:
    return Chart.from_rows(
        {
            part: {
                name: tuple(dice.choice(PAIRED if part == "pairs" else SINGLE) for _ in UPCARDS)
                for name in names
            }
            for part, names in PARTS.items()
        }
    )


def random_plays(dice: Random) -> tuple[IndexPlay, ...]:
    """Several for most cells of a few hands, so that they meet."""
    hands = dice.sample(HANDS[1:], 6)
    plays = [
        IndexPlay(
            hand=hand,
            upcard=dice.choice(UPCARDS[:4]),
            # A double on a cell that surrenders has no code of its own; a player never needs it.
            code=dice.choice(
                [
                    code
                    for code in (PAIRED if hand in PARTS["pairs"] else SINGLE)
                    if code not in "DDs"
                ]
            ),
            index=dice.randint(-3, 3),
            at_least=dice.random() < 0.5,
        )
        for hand in hands
        for _ in range(6)
    ]
    return (*plays, IndexPlay(hand=INSURANCE, index=dice.randint(-3, 3)))


@pytest.mark.parametrize("surrender", ["none", "late"])
@pytest.mark.parametrize("seed", range(10))
def test_shown_chart_is_played(seed: int, surrender: str) -> None:
    dice = Random(seed)
    rules = Rules(surrender=surrender)
    game = Game(rules=rules, chart=random_chart(dice), plays=random_plays(dice))
    count = dice.randint(-4, 4)

    played = Moves(game=game, count=count)
    shown = Moves(
        game=Game(rules=rules, chart=chart_at(game.chart, game.plays, count=count)), count=None
    )

    hands = [hand for hand in all_hands() if row_name(hand) is not None]
    for up in range(1, 11):
        for hand in hands:
            assert played.first(hand, up=up) == shown.first(hand, up=up)
            if hand not in PARTS["pairs"]:
                assert played.draws(hand, up=up) == shown.draws(hand, up=up)
    index = insurance_index(game.plays)
    assert index is not None
    assert played.insures() is (count >= index)
