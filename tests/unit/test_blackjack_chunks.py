"""Rules, chunks, streams and tallies: what makes an answer the same whoever computes it."""

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jost.simulations.engine import (
    MAX_ROUNDS,
    MIN_ROUNDS,
    Plan,
    Rules,
    RulesError,
    Tally,
    count_chunk,
    kernel,
)
from jost.simulations.engine.tally import Estimate

MASK = 2**64 - 1


def xoshiro256plusplus(state: list[int]) -> int:
    """The generator as its authors describe it, written apart from the engine's."""

    def rotate(value: int, by: int) -> int:
        return ((value << by) | (value >> (64 - by))) & MASK

    result = (rotate((state[0] + state[3]) & MASK, 23) + state[0]) & MASK
    shifted = (state[1] << 17) & MASK
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = rotate(state[3], 45)
    return result


def test_reference_generator_gives_the_published_words() -> None:
    state = [1, 2, 3, 4]

    words = [xoshiro256plusplus(state) for _ in range(5)]

    assert words == [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
    ]


def test_shuffle_is_a_fisher_yates_of_that_generator() -> None:
    # No draw of these is one of the rare ones that are thrown away.
    words = [0x9E3779B97F4A7C15 * factor & MASK for factor in (3, 5, 7, 11)]
    state, expected, place = list(words), list(range(52)), 0
    while place < 52:
        bits = xoshiro256plusplus(state)
        for half in (bits >> 32, bits & 0xFFFF_FFFF):
            if place < 52:
                drawn = place + (half * (52 - place) >> 32)
                expected[place], expected[drawn] = expected[drawn], expected[place]
                place += 1
    shoe = array("B", range(52))

    kernel.shuffle(shoe, array("Q", words), 0, 52, 52)

    assert list(shoe) == expected


def test_draw_that_would_favour_a_card_is_thrown_away() -> None:
    # The first half of the first word is 0, the one value that would favour one of three cards.
    shoe, rng, state = array("B", range(3)), array("Q", [0, 0, 0, 1]), [0, 0, 0, 1]

    kernel.shuffle(shoe, rng, 0, 2, 3)

    assert xoshiro256plusplus(state) >> 32 == 0
    xoshiro256plusplus(state)
    assert list(rng) == state


def test_shuffle_moves_cards_and_neither_loses_nor_adds_one() -> None:
    shoe = array("B", range(52))

    kernel.shuffle(shoe, array("Q", [5, 6, 7, 8]), 10, 40, 52)

    assert list(shoe[:10]) == list(range(10))
    assert sorted(shoe) == list(range(52))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"decks": 0}, "decks"),
        ({"decks": 9}, "decks"),
        ({"decks": "6"}, "decks"),
        ({"decks": True}, "decks"),
        ({"penetration": 0.96}, "penetration"),
        ({"penetration": float("nan")}, "penetration"),
        ({"penetration": None}, "penetration"),
        ({"hit_soft_17": 1}, "hit_soft_17"),
        ({"max_hands": 5}, "max_hands"),
        ({"rounds_per_shoe": 0}, "rounds_per_shoe"),
        ({"decks": 1, "rounds_per_shoe": 7}, "rounds_per_shoe"),
        ({"deck": 6}, "deck"),
    ],
)
def test_rule_outside_the_game_is_refused_by_name(values: dict[str, object], field: str) -> None:
    with pytest.raises(RulesError) as caught:
        Rules.from_dict(values)

    assert caught.value.field == field
    assert field in str(caught.value)


def test_rules_survive_the_way_through_json() -> None:
    rules = Rules(decks=2, hit_soft_17=True, penetration=0.6, rounds_per_shoe=3)

    assert Rules.from_dict(rules.to_dict()) == rules


@given(st.integers(MIN_ROUNDS, MAX_ROUNDS))
def test_plan_covers_every_round_once_in_at_most_two_thousand_chunks(rounds: int) -> None:
    plan = Plan.for_rounds(rounds)

    assert 2 <= plan.chunks <= 2_000
    assert 1 <= plan.rounds_in(plan.chunks - 1) <= plan.chunk_size <= 10_000_000
    assert (plan.chunks - 1) * plan.chunk_size + plan.rounds_in(plan.chunks - 1) == rounds


def test_chunk_outside_the_plan_is_refused() -> None:
    with pytest.raises(IndexError, match="from 0 on"):
        Plan.for_rounds(10_000).rounds_in(2)


def test_chunk_gives_the_same_counts_at_every_attempt() -> None:
    first = count_chunk(Rules(), seed=7, index=3, rounds=500, pure=True)

    assert count_chunk(Rules(), seed=7, index=3, rounds=500, pure=True) == first
    assert first.rounds == 500


def test_chunks_and_seeds_have_streams_of_their_own() -> None:
    tallies = {
        count_chunk(Rules(), seed=seed, index=index, rounds=500, pure=True)
        for seed in (0, 1)
        for index in (0, 1, 10)
    }

    assert len(tallies) == 6


def test_engine_gives_the_bits_it_gave_when_its_version_was_set() -> None:
    # A change here moves every published answer: raise ENGINE_VERSION with it.
    tally = count_chunk(Rules(), seed=1, index=0, rounds=2_000, pure=True)

    assert (tally.payoff_sum, tally.payoff_squares, tally.event("hands")) == (
        41,
        10_499,
        2_056,
    )


def test_tallies_add_up_to_the_same_in_any_order() -> None:
    tallies = [
        count_chunk(Rules(), seed=1, index=index, rounds=200, pure=True) for index in range(8)
    ]
    whole = Tally.total(tallies)
    random.Random(3).shuffle(tallies)

    assert Tally.total(tallies) == whole
    assert Tally.total([Tally.total(tallies[:3]), Tally.total(tallies[3:])]) == whole
    assert whole.rounds == 1_600
    assert whole.won + whole.lost + whole.pushed == 1_600


def test_every_round_ends_with_one_fate_of_the_dealer() -> None:
    rules = Rules(decks=1, hit_soft_17=True, late_surrender=True, penetration=0.95)
    tally = count_chunk(rules, seed=1, index=0, rounds=2_000, pure=True)

    assert sum(tally.events[:8]) == 2_000


@pytest.mark.parametrize("decks", [1, 2, 8])
def test_cards_of_the_shoe_stay_the_same_cards(decks: int) -> None:
    from jost.simulations.engine import runner

    desk = runner._new_desk(Rules(decks=decks, penetration=0.95), seed=1, index=0)
    before = sorted(desk[0])
    kernel.play_rounds(desk, 300)

    assert sorted(desk[0]) == before
    assert before.count(10) == 16 * decks
    assert len(before) == 52 * decks


def test_tally_survives_the_way_through_json() -> None:
    tally = count_chunk(Rules(), seed=1, index=0, rounds=100, pure=True)

    assert Tally.from_dict(tally.to_dict()) == tally


def test_estimate_is_mean_and_spread_in_units_of_the_bet() -> None:
    # Payoffs of +1, -1, +1.5 and -0.5 bets.
    estimate = Estimate.of(rounds=4, payoff_sum=2 - 2 + 3 - 1, payoff_squares=4 + 4 + 9 + 1)

    assert estimate is not None
    assert estimate.ev == 0.25
    assert estimate.sd == pytest.approx(1.1902380714)
    assert estimate.standard_error == pytest.approx(1.1902380714 / 2)


def test_estimate_needs_two_rounds() -> None:
    assert Estimate.of(rounds=1, payoff_sum=2, payoff_squares=4) is None
    assert Tally().estimate() is None
    assert Tally().frequencies() == {}
