"""Counts a simulation in the threads of one process: the same chunks and the same end as its jobs."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from .engine import Game, Tally, chunks_of, count_chunk, rounds_in, warm_up
from .prefix import Sums, stop_after

# Chunks in hand for each thread: one that is counted and one that waits for it.
AHEAD = 2


def count_inline(
    game: Game,
    *,
    rounds: int,
    seed: int,
    target: float | None = None,
    threads: int | None = None,
    seen: Callable[[Tally], None] | None = None,
) -> Tally:
    """Count `rounds`, or up to the first prefix of chunks whose interval reaches `target`.

    `seen` is called with the sum so far after each chunk, in their order. The compiled engine
    holds no lock of the interpreter, so threads use all cores; plain Python uses one.
    """
    warm_up()
    total = Tally.total([])
    with closing(_in_order(game, rounds=rounds, seed=seed, threads=threads)) as tallies:

        def prefix() -> Iterator[tuple[int, Sums]]:
            nonlocal total
            for index, tally in enumerate(tallies):
                total = Tally.total([total, tally]) if index else tally
                if seen:
                    seen(total)
                yield index, Sums.of(tally)

        if target is None:
            deque(prefix(), maxlen=0)
        else:
            stop_after(prefix(), target=target, seats=game.rules.seats)
    return total


def _in_order(
    game: Game, *, rounds: int, seed: int, threads: int | None
) -> Generator[Tally, None, None]:
    """The chunks' tallies, the first first; closing it takes back what was not begun."""
    workers = threads or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[Tally]] = deque()
    try:
        for index in range(chunks_of(rounds)):
            size = rounds_in(index, rounds=rounds)
            waiting.append(pool.submit(count_chunk, game, seed=seed, index=index, rounds=size))
            if len(waiting) >= workers * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A chunk that is being counted cannot be stopped; nobody waits for it.
        pool.shutdown(wait=False, cancel_futures=True)
