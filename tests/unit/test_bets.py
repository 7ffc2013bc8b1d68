"""What a player bets, as a rules file says it: read, checked, and asked count by count."""

import json
from typing import Any

import pytest

from jost.simulations.betting import Bankroll, Bets, read_bets
from jost.simulations.engine import RulesError


def test_bets_left_out_are_one_unit_flat() -> None:
    bets = Bets.from_dict({})

    assert {bets.ramp_at(count) for count in range(-20, 21)} == {1}
    assert not bets.by_count


def test_ramp_bets_from_each_true_count_up_and_its_lowest_below() -> None:
    bets = Bets.from_dict({"ramp": {"5": 12, "0": 1, "+1": 2, "2": 4.5}})

    assert [bets.ramp_at(count) for count in (-20, -1, 0, 1, 2, 4, 5, 20)] == [
        1,
        1,
        1,
        2,
        4.5,
        4.5,
        12,
        12,
    ]
    assert bets.by_count


def test_kelly_bets_a_share_of_edge_by_variance_within_its_limits() -> None:
    bets = Bets.from_dict({"kelly": 0.5, "min_units": 1, "max_units": 8})

    def units(edge: float) -> float:
        return bets.kelly_at(edge=edge, variance=1.25, bankroll=1_000)

    assert [units(-0.01), units(0.01), units(0.03)] == [1, 4, 8]


def test_one_wong_bound_does_for_both() -> None:
    back_counter = Bets.from_dict({"wong_in": 2})
    leaver = Bets.from_dict({"wong_out": -1})
    both = Bets.from_dict({"wong_in": 2, "wong_out": 0})

    assert (back_counter.in_from, back_counter.out_below) == (2, 2)
    assert (leaver.in_from, leaver.out_below) == (-1, -1)
    assert (both.in_from, both.out_below) == (2, 0)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ramp": {"-1": 0, "0": 1, "2": 2.5}, "unit": 25},
        {"kelly": 0.5, "max_units": 20, "wong_in": 1, "wong_out": -1, "rounds_per_hour": 80},
    ],
)
def test_bets_survive_the_way_through_json(values: dict[str, Any]) -> None:
    bets = Bets.from_dict(values)

    assert Bets.from_dict(json.loads(json.dumps(bets.to_dict()))) == bets


@pytest.mark.parametrize(
    ("values", "field", "repair"),
    [
        ({"rampe": {"0": 1}}, "bets.rampe", "did you mean ramp"),
        ({"ramp": {}}, "bets.ramp", '{"0": 1'),
        ({"ramp": {"0": 0}}, "bets.ramp", "more than 0"),
        ({"ramp": {"1.5": 1}}, "bets.ramp.1.5", "from -20 to 20"),
        ({"ramp": {"21": 1}}, "bets.ramp.21", "from -20 to 20"),
        ({"ramp": {"1": 1, "+1": 2}}, "bets.ramp.+1", "leave one out"),
        ({"ramp": {"0": -1}}, "bets.ramp.0", "from 0 to"),
        ({"ramp": {"0": "2"}}, "bets.ramp.0", "must be a number"),
        ({"ramp": {"0": None}}, "bets.ramp.0", "0 for none"),
        ({"ramp": {"0": float("nan")}}, "bets.ramp.0", "must be a number"),
        ({"ramp": {"0": 10**400}}, "bets.ramp.0", "must be a number"),
        ({"kelly": 0}, "bets.kelly", "above 0"),
        ({"kelly": 1, "ramp": {"0": 1}}, "bets.ramp", "leave one out"),
        ({"max_units": 8}, "bets.max_units", "give bets.kelly too"),
        ({"kelly": 1, "min_units": 4, "max_units": 2}, "bets.max_units", "bets.min_units"),
        ({"kelly": 1, "max_units": 0.5}, "bets.max_units", "1 if you leave it out"),
        ({"wong_in": 1.5}, "bets.wong_in", "whole number"),
        ({"wong_in": 0, "wong_out": 1}, "bets.wong_out", "must not be above"),
        ({"rounds_per_hour": 0}, "bets.rounds_per_hour", "from 1 to"),
        ({"rounds_per_hour": True}, "bets.rounds_per_hour", "from 1 to"),
        ({"unit": 0}, "bets.unit", "above 0"),
        ([], "bets", "must be an object"),
    ],
)
def test_impossible_bets_are_refused_with_key_and_repair(
    values: Any, field: str, repair: str
) -> None:
    with pytest.raises(RulesError) as caught:
        Bets.from_dict(values)

    assert caught.value.field == field
    assert field in str(caught.value)
    assert repair in str(caught.value)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "bankroll.units"),
        ({"units": 0}, "bankroll.units"),
        ({"units": 10, "hour": 1}, "bankroll.hour"),
        ({"units": 10, "hours": 1, "rounds": 100}, "bankroll.rounds"),
        ({"units": 10, "rounds": 0}, "bankroll.rounds"),
        ({"units": 10, "hours": -1}, "bankroll.hours"),
        (7, "bankroll"),
    ],
)
def test_impossible_bankroll_is_refused_by_name(values: Any, field: str) -> None:
    with pytest.raises(RulesError) as caught:
        Bankroll.from_dict(values)

    assert caught.value.field == field


def test_bankroll_looks_ahead_for_hours_of_the_bets_rounds_or_for_rounds() -> None:
    bets = Bets(rounds_per_hour=80)

    assert Bankroll(units=100).horizon(bets) == 80_000
    assert Bankroll(units=100, hours=2.5).horizon(bets) == 200
    assert Bankroll(units=100, rounds=7).horizon(bets) == 7
    assert Bankroll.from_dict(Bankroll(units=100, rounds=7).to_dict()).rounds == 7


def test_kelly_without_a_bankroll_is_refused() -> None:
    with pytest.raises(RulesError, match='add "bankroll"'):
        read_bets({"kelly": 1.0}, None, counted=True)

    bets, bankroll = read_bets({"kelly": 1.0}, {"units": 100}, counted=True)
    assert (bets.kelly, bankroll) == (1.0, Bankroll(units=100))


@pytest.mark.parametrize("bets", [{"ramp": {"0": 1, "2": 4}}, {"wong_in": 1}, {"wong_out": 0}])
def test_bets_by_the_count_are_refused_where_nobody_counts(bets: dict[str, Any]) -> None:
    with pytest.raises(RulesError, match="add counting"):
        read_bets(bets, None, counted=False)

    assert read_bets({"ramp": {"0": 3}}, None, counted=False)[0].ramp_at(5) == 3
