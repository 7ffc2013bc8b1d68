"""Chunks, streams and shuffles: what makes an answer the same whoever computes it."""

import random
import subprocess
import sys
from array import array
from collections import Counter
from itertools import permutations
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jost.simulations.engine import (
    MAX_ROUNDS,
    Dealing,
    Game,
    Tally,
    chunk_size,
    chunk_start,
    chunks_of,
    compiled,
    count_chunk,
    is_compiled,
    rounds_in,
    shoes,
    whole_chunks,
)
from jost.simulations.engine import layout as at
from jost.simulations.engine.desk import new_desk
from jost.simulations.engine.plays import FAB_4, ILLUSTRIOUS_18
from jost.simulations.engine.rounds import play_rounds
from tests.stacked import HI_LO, chart, game

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


def drawn_three(half: int, *, span: int) -> list[int] | None:
    """Which of `span` cards, then of one less, then of two less; None if the half is unfair."""
    orders = span * (span - 1) * (span - 2)
    if half * orders % 2**32 < 2**32 % orders:
        return None
    place = half * orders >> 32
    one, rest = divmod(place, (span - 1) * (span - 2))
    return [one, *divmod(rest, span - 2)]


def shuffled(deck: list[int], state: list[int]) -> list[int]:
    """Fisher and Yates from the front, three cards to each half of a word."""
    cards, place = list(deck), 0
    while place < len(cards) - 2:
        word = xoshiro256plusplus(state)
        for half in (word >> 32, word & 0xFFFF_FFFF):
            span = len(cards) - place
            if span == 2:
                cards[place], cards[place + (half >> 31)] = (
                    cards[place + (half >> 31)],
                    cards[place],
                )
                place += 2
            elif span > 2 and (steps := drawn_three(half, span=span)):
                for step in steps:
                    other = place + step
                    cards[place], cards[other] = cards[other], cards[place]
                    place += 1
    return cards


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


@pytest.mark.parametrize("cards", [52, 53, 54, 55, 56, 57])
def test_shuffle_is_a_fisher_yates_of_that_generator(cards: int) -> None:
    words = [0x9E3779B97F4A7C15 * factor & MASK for factor in (3, 5, 7, 11)]
    shoe = array("B", range(cards))

    shoes.shuffle(shoe, array("Q", words), 0, cards, cards)

    assert list(shoe) == shuffled(list(range(cards)), list(words))


def test_every_order_of_a_few_cards_is_as_likely_as_another() -> None:
    orders: Counter[tuple[int, ...]] = Counter()
    rng = array("Q", [1, 2, 3, 4])
    for _ in range(24_000):
        shoe = array("B", range(4))
        shoes.shuffle(shoe, rng, 0, 4, 4)
        orders[tuple(shoe)] += 1

    expected = 24_000 / 24
    spread = sum((orders[order] - expected) ** 2 / expected for order in permutations(range(4)))

    # Chi-squared with 23 degrees of freedom exceeds 58 once in ten thousand times.
    assert spread < 58


def test_half_that_would_favour_some_cards_is_thrown_away() -> None:
    # The upper half of the first word is 0, the lower is not: 0 is one of the unfair ones.
    shoe, rng, state = array("B", range(52)), array("Q", [0, 0, 0, 1]), [0, 0, 0, 1]

    place = shoes.shuffle(shoe, rng, 0, 1, 52)

    assert xoshiro256plusplus(state) >> 32 == 0
    assert place == 3


def test_shuffle_moves_cards_and_neither_loses_nor_adds_one() -> None:
    shoe = array("B", range(52))

    shoes.shuffle(shoe, array("Q", [5, 6, 7, 8]), 10, 40, 52)

    assert list(shoe[:10]) == list(range(10))
    assert sorted(shoe) == list(range(52))


def test_two_shoes_shuffled_in_turns_are_shuffled_each_by_its_own_half() -> None:
    state = [0x9E3779B97F4A7C15 * factor & MASK for factor in (3, 5, 7, 11)]
    shoe, rng = array("B", [*range(52), *range(52)]), array("Q", state)
    one, other = list(range(52)), list(range(52))

    done = shoes.shuffle_two(shoe, rng, 0, 52, 40, 52)

    for place in range(0, done, 3):
        word = xoshiro256plusplus(state)
        for cards, half in ((one, word >> 32), (other, word & 0xFFFF_FFFF)):
            steps = drawn_three(half, span=52 - place)
            assert steps, "this seed has no unfair half"
            for at_, step in enumerate(steps, start=place):
                cards[at_], cards[at_ + step] = cards[at_ + step], cards[at_]
    assert list(shoe) == one + other
    assert done == 42


@given(st.integers(1, MAX_ROUNDS))
def test_chunks_cover_every_round_once(rounds: int) -> None:
    count = chunks_of(rounds)
    last = rounds_in(count - 1, rounds=rounds)

    assert count < 1_500
    assert chunk_start(count - 1) + last == rounds
    assert 1 <= last <= chunk_size(count - 1)
    assert whole_chunks(rounds) in (count, count - 1)


@given(st.integers(1, MAX_ROUNDS // 2), st.integers(1, MAX_ROUNDS // 2))
def test_longer_run_has_the_whole_chunks_of_a_shorter_one(rounds: int, more: int) -> None:
    for index in {0, whole_chunks(rounds) - 1} & set(range(whole_chunks(rounds))):
        assert rounds_in(index, rounds=rounds) == rounds_in(index, rounds=rounds + more)


def test_chunk_outside_a_run_is_refused() -> None:
    with pytest.raises(IndexError, match="from 0 on"):
        rounds_in(2, rounds=100_000)


COUNTED = game(*ILLUSTRIOUS_18, *FAB_4, surrender="late")
GAMES = {
    "flat": game(),
    "counted": Game(rules=COUNTED.rules, chart=chart(), count=HI_LO),
    "indexed": COUNTED,
    "table": game(*ILLUSTRIOUS_18, seats=2, other_players=3),
    "endless": game(decks=0),
    "fixed rounds": game(decks=1, dealing=Dealing(mode="fixed_rounds", rounds=6)),
    "fresh shoes": game(decks=2, dealing=Dealing(mode="every_round")),
    "deep": game(*ILLUSTRIOUS_18, decks=1, dealing=Dealing(penetration=0.95)),
}


@pytest.mark.parametrize("name", GAMES)
def test_compiled_engine_gives_the_bits_of_plain_python(name: str) -> None:
    assert is_compiled()

    pure = count_chunk(GAMES[name], seed=7, index=3, rounds=1_500, pure=True)

    assert count_chunk(GAMES[name], seed=7, index=3, rounds=1_500) == pure
    assert pure.rounds == 1_500


@st.composite
def any_game(draw: st.DrawFn) -> Game:
    decks = draw(st.integers(0, 8))
    seats = draw(st.integers(1, 7))
    others = draw(st.integers(0, 7 - seats))
    most = max(1, (decks or 8) * 6 // (seats + others))
    dealing = draw(
        st.one_of(
            st.builds(Dealing, penetration=st.floats(0.1, 0.95)),
            st.builds(Dealing, mode=st.just("fixed_rounds"), rounds=st.integers(1, most)),
            st.just(Dealing(mode="every_round")),
        )
    )
    plays = draw(st.sampled_from([(), ILLUSTRIOUS_18, ILLUSTRIOUS_18 + FAB_4]))
    return game(
        *plays,
        decks=decks,
        seats=seats,
        other_players=others,
        dealing=dealing,
        dealer_hits_soft_17=draw(st.booleans()),
        double_after_split=draw(st.booleans()),
        double_on=draw(st.sampled_from(["any", "9-11", "10-11"])),
        max_hands=draw(st.integers(2, 4)),
        resplit_aces=draw(st.booleans()),
        hit_split_aces=draw(st.booleans()),
        surrender=draw(st.sampled_from(["none", "late", "early"])),
        blackjack_pays=draw(st.sampled_from(["3:2", "6:5", "1:1"])),
        dealer_peeks=draw(st.booleans()),
    )


@settings(max_examples=12, deadline=None)
@given(any_game(), st.integers(0, 2**53 - 1))
def test_any_game_gives_the_same_bits_compiled_and_plain(played: Game, seed: int) -> None:
    pure = count_chunk(played, seed=seed, index=0, rounds=300, pure=True)

    assert count_chunk(played, seed=seed, index=0, rounds=300) == pure
    assert pure.rounds == 300
    assert sum(pure.events[:8]) == 300
    assert pure.event("hands") == 300 * played.rules.seats + pure.event("splits")


def test_another_process_gives_the_same_bits() -> None:
    code = (
        "from tests.blackjack.test_blackjack_chunks import GAMES\n"
        "from jost.simulations.engine import count_chunk\n"
        "print(count_chunk(GAMES['flat'], seed=5, index=1, rounds=50_000).to_dict())"
    )
    # The compiled code is on disk since the first call of these tests.
    asked = [sys.executable, "-c", code]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=120).stdout

    assert said.strip() == str(count_chunk(GAMES["flat"], seed=5, index=1, rounds=50_000).to_dict())


def test_chunks_and_seeds_have_streams_of_their_own() -> None:
    tallies = {
        count_chunk(GAMES["flat"], seed=seed, index=index, rounds=500)
        for seed in (0, 1)
        for index in (0, 1, 10)
    }

    assert len(tallies) == 6


def test_engine_gives_the_bits_it_gave_when_its_version_was_set() -> None:
    # A change here moves every published answer: raise ENGINE_VERSION with it.
    found = {
        name: (tally.whole().payoff_sum, sum(tally.squares), tally.event("hands"))
        for name, tally in (
            (name, count_chunk(played, seed=1, index=0, rounds=2_000))
            for name, played in GAMES.items()
        )
    }

    assert found == {
        "flat": (570, 274950, 2059),
        "counted": (570, 274950, 2059),
        "indexed": (825, 267975, 2062),
        "table": (-1165, 749425, 4113),
        "endless": (-70, 275800, 2061),
        "fixed rounds": (695, 258375, 2042),
        "fresh shoes": (545, 259725, 2044),
        "deep": (-40, 271950, 2056),
    }


def test_tallies_add_up_to_the_same_in_any_order() -> None:
    tallies = [count_chunk(COUNTED, seed=1, index=index, rounds=200) for index in range(8)]
    whole = Tally.total(tallies)
    random.Random(3).shuffle(tallies)

    assert Tally.total(tallies) == whole
    assert Tally.total([Tally.total(tallies[:3]), Tally.total(tallies[3:])]) == whole
    assert whole.rounds == 1_600
    assert Tally.from_dict(whole.to_dict()) == whole


@pytest.mark.parametrize("decks", [1, 2, 8])
def test_cards_of_the_shoe_stay_the_same_cards(decks: int) -> None:
    desk = new_desk(game(decks=decks, dealing=Dealing(penetration=0.95)), seed=1, index=0)
    shoe, book = desk[2], desk[-1]

    play_rounds(desk, 4_000)

    for lane in range(at.LANES):
        first = lane * book[at.STRIDE]
        assert Counter(shoe[first : first + 52 * decks]) == {
            **dict.fromkeys(range(1, 10), 4 * decks),
            10: 16 * decks,
        }


def test_short_run_sees_every_part_of_the_shoe_as_often_as_a_long_one() -> None:
    """Shoes are of every age when counting begins; from new ones, far counts would be too rare."""
    counted = GAMES["counted"]
    short = Tally.total(count_chunk(counted, seed=3, index=k, rounds=1_000) for k in range(300))
    long = count_chunk(counted, seed=4, index=0, rounds=3_000_000)

    def far(tally: Tally) -> float:
        return sum(row.rounds for row in tally.by_count() if row.count >= 4) / tally.rounds

    assert far(short) == pytest.approx(far(long), rel=0.1)


def test_name_of_compiled_code_changes_with_any_of_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compiled.source_digest.__wrapped__()
    source = Path(str(shoes.__file__)).read_text()
    changed = ModuleType("shoes")
    changed.__file__ = str(tmp_path / "shoes.py")
    Path(changed.__file__).write_text(source + "# changed")

    others = tuple(module for module in compiled.MODULES if module is not shoes)
    monkeypatch.setattr(compiled, "MODULES", (changed, *others))

    assert compiled.source_digest.__wrapped__() != before
