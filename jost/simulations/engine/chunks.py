"""How a simulation is cut into chunks: where one begins and ends depends on its number alone.

So a run of A rounds that is extended to B has the chunks of a run of B: all whole chunks below A
are kept, and only the last, which A cut short, is counted again.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

MIN_ROUNDS = 1_000
MAX_ROUNDS = 100_000_000_000
# The largest whole number that a browser's JavaScript keeps exact.
MAX_SEED = 2**53 - 1

# Small ones first, for an estimate that can be watched; twice the size after every so many, so
# that the largest simulation has some thousand.
FIRST_CHUNK = 50_000
CHUNKS_OF_A_SIZE = 32
LARGEST_CHUNK = FIRST_CHUNK * 2**11


def chunk_size(index: int) -> int:
    """The rounds of the whole chunk `index`."""
    return min(FIRST_CHUNK << index // CHUNKS_OF_A_SIZE, LARGEST_CHUNK)


def _starts() -> Iterator[int]:
    start = 0
    index = 0
    while start < MAX_ROUNDS:
        yield start
        start += chunk_size(index)
        index += 1


# The first round of each chunk; the last ends at MAX_ROUNDS or beyond.
STARTS = tuple(_starts())


def chunk_start(index: int) -> int:
    """How many rounds the chunks before `index` have together."""
    return STARTS[index]


def chunks_of(rounds: int) -> int:
    """How many chunks a simulation of so many rounds has; the last may be cut short."""
    return bisect_right(STARTS, rounds - 1) if rounds > 0 else 0


def rounds_in(index: int, *, rounds: int) -> int:
    """The rounds of chunk `index` in a simulation of `rounds`."""
    if not 0 <= index < chunks_of(rounds):
        raise IndexError(
            f"There is no chunk {index}: {rounds} rounds have {chunks_of(rounds)}, from 0 on."
        )
    return min(chunk_size(index), rounds - STARTS[index])


def whole_chunks(rounds: int) -> int:
    """How many chunks of a simulation of so many rounds are whole: no extension changes them."""
    return bisect_right(ENDS, rounds)


ENDS = tuple(accumulate(chunk_size(index) for index in range(len(STARTS))))
