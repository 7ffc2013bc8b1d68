"""Who comes and goes with the count: in which share of its rounds he is in."""

from typing import Any

import pytest

from jost.simulations.analysis import shares_played
from jost.simulations.analysis.wonging import _paths
from jost.simulations.betting import Bets
from jost.simulations.engine import MAX_SEED, Tally, count_chunk
from jost.simulations.engine.game import Game
from jost.simulations.setup import Setup
from tests.simulated import CHART


def game_of(**rules: Any) -> Game:
    return Setup.from_dict({"strategy": CHART, "counting": "hi-lo"} | rules).game


def test_one_bound_is_all_or_none() -> None:
    into = shares_played(Bets(wong_in=2), game=game_of())
    out = shares_played(Bets(wong_out=-1), game=game_of())

    assert [into[count] for count in (-20, 1, 2, 20)] == [0, 0, 1, 1]
    assert [out[count] for count in (-20, -2, -1, 20)] == [0, 0, 1, 1]
    assert shares_played(Bets(), game=game_of()) == {}


def test_between_two_bounds_he_is_in_more_often_the_nearer_he_is_to_coming_in() -> None:
    found = shares_played(Bets(wong_in=3, wong_out=0), game=game_of())

    assert [found[count] for count in (-1, 3)] == [0, 1]
    assert 0 < found[0] < found[1] < found[2] < 1


def test_who_comes_in_late_is_in_less_often() -> None:
    early = shares_played(Bets(wong_in=2, wong_out=0), game=game_of())
    late = shares_played(Bets(wong_in=5, wong_out=0), game=game_of())

    assert late[0] < early[0]
    assert late[1] < early[1]


def test_fresh_shoe_every_round_lets_nobody_stay() -> None:
    found = shares_played(
        Bets(wong_in=1, wong_out=-1), game=game_of(dealing={"mode": "every_round"})
    )

    assert (found[-1], found[0]) == (0, 0)


@pytest.mark.parametrize(
    "rules", [{"decks": 6}, {"decks": 2, "dealing": {"mode": "fixed_rounds", "rounds": 10}}]
)
def test_counts_of_the_model_come_as_often_as_those_of_the_engine(rules: dict[str, Any]) -> None:
    game = game_of(**rules)
    tally = Tally.total(
        count_chunk(game, seed=MAX_SEED, index=index, rounds=4_000, pure=True) for index in range(3)
    )
    counted = {row.count: row.rounds / tally.rounds for row in tally.by_count()}
    assert game.count is not None
    path = [at for shoe in _paths(game.rules, game.count) for at in shoe]

    for count in (-4, -2, -1, 0, 1, 2, 4):
        assert path.count(count) / len(path) == pytest.approx(counted[count], abs=0.03)
