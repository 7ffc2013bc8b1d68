"""Counting in threads: the same tally whatever their number, and the same end as jobs."""

from threading import Event

import pytest

from jost.simulations import inline
from jost.simulations.engine import Tally, chunk_start, chunks_of, rounds_in
from jost.simulations.inline import count_inline
from jost.simulations.prefix import FEWEST_CHUNKS
from tests.simulated import SEED, plain_setup, pretended, pretended_answer, rounds_of

GAME = plain_setup().game


@pytest.fixture(autouse=True)
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks are counted without an engine."""
    monkeypatch.setattr(inline, "count_chunk", pretended)
    monkeypatch.setattr(inline, "warm_up", lambda: None)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_any_number_of_threads_gives_the_same_tally(threads: int) -> None:
    rounds = rounds_of(40) + 12_345

    tally = count_inline(GAME, rounds=rounds, seed=SEED, threads=threads)

    assert tally == pretended_answer(rounds=rounds)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_target_ends_it_after_the_first_prefix_that_reaches_it(threads: int) -> None:
    rounds = rounds_of(60)
    estimate = pretended_answer(rounds=rounds, chunks=20).estimate()
    assert estimate is not None

    tally = count_inline(GAME, rounds=rounds, seed=SEED, target=estimate.reach, threads=threads)

    assert tally == pretended_answer(rounds=rounds, chunks=20)


def test_target_out_of_reach_counts_all_rounds() -> None:
    rounds = rounds_of(5) + 1

    tally = count_inline(GAME, rounds=rounds, seed=SEED, target=1e-6, threads=2)

    assert tally.rounds == rounds


def test_target_that_is_easy_still_wants_some_chunks() -> None:
    tally = count_inline(GAME, rounds=rounds_of(50), seed=SEED, target=1.0, threads=4)

    assert tally.rounds == chunk_start(FEWEST_CHUNKS)


def test_watcher_sees_the_sum_grow_chunk_by_chunk() -> None:
    rounds = rounds_of(6) + 10
    seen: list[Tally] = []

    count_inline(GAME, rounds=rounds, seed=SEED, threads=3, seen=seen.append)

    sizes = [rounds_in(index, rounds=rounds) for index in range(chunks_of(rounds))]
    assert [tally.rounds for tally in seen] == [sum(sizes[: place + 1]) for place in range(7)]


def test_interrupt_leaves_what_was_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    released = Event()

    def count(game: object, *, seed: int, index: int, rounds: int) -> Tally:
        begun.append(index)
        if index:
            released.wait(timeout=30)
        return pretended(game, seed=seed, index=index, rounds=rounds)

    def interrupt(_: Tally) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inline, "count_chunk", count)

    with pytest.raises(KeyboardInterrupt):
        count_inline(GAME, rounds=rounds_of(50), seed=SEED, threads=1, seen=interrupt)
    released.set()

    assert len(begun) <= 2


def test_error_of_a_chunk_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(game: object, *, seed: int, index: int, rounds: int) -> Tally:
        if index == 3:
            raise RuntimeError("no such shoe")
        return pretended(game, seed=seed, index=index, rounds=rounds)

    monkeypatch.setattr(inline, "count_chunk", count)

    with pytest.raises(RuntimeError, match="no such shoe"):
        count_inline(GAME, rounds=rounds_of(50), seed=SEED, threads=2)
