"""The prefix of a simulation: its chunks from the first to the last before one that is missing.

What is decided by the prefix is decided by the numbers of chunks, whoever counted which of them first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from .engine import Tally, chunk_size
from .engine.tally import Estimate

# With fewer than 150,000 rounds the width of an interval is itself a guess.
FEWEST_CHUNKS = 3
# More points than a plot has pixels for would only make the answer slow.
MOST_POINTS = 150

# One point of the convergence plot: rounds so far, estimate, ends of its 95 % interval.
Point = tuple[int, float, float, float]


@dataclass(frozen=True, slots=True)
class Sums:
    """What an estimate is made of; adding is exact."""

    rounds: int = 0
    payoff_sum: int = 0
    squares: int = 0
    spot_squares: int = 0

    @classmethod
    def of(cls, tally: Tally) -> Self:
        row = tally.whole()
        return cls(tally.rounds, row.payoff_sum, row.squares, row.spot_squares)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.rounds + other.rounds,
            self.payoff_sum + other.payoff_sum,
            self.squares + other.squares,
            self.spot_squares + other.spot_squares,
        )

    def estimate(self, *, seats: int) -> Estimate | None:
        return Estimate.of(
            rounds=self.rounds,
            seats=seats,
            payoff_sum=self.payoff_sum,
            squares=self.squares,
            spot_squares=self.spot_squares,
        )


def running(chunks: Iterable[tuple[int, Sums]]) -> Iterator[tuple[int, Sums, bool]]:
    """The number of chunks, their sums, and whether the last is whole, for each prefix of `chunks`.

    They come in the order of their index; it ends at the first gap, and with a chunk that is cut short: what follows
    such a one was counted after an extension, and will be in a prefix once the whole chunk is.
    """
    total = Sums()
    for place, (index, sums) in enumerate(chunks):
        if index != place:
            return
        total += sums
        whole = sums.rounds == chunk_size(index)
        yield place + 1, total, whole
        if not whole:
            return


def whole_chunks_of(chunks: Iterable[tuple[int, Sums]]) -> int:
    """How many chunks the prefix has that nothing changes any more."""
    return sum(1 for _, _, whole in running(chunks) if whole)


def stop_after(chunks: Iterable[tuple[int, Sums]], *, target: float, seats: int) -> int | None:
    """The smallest number of whole chunks whose interval reaches `target`; None if none does yet."""
    for count, sums, whole in running(chunks):
        if whole and count >= FEWEST_CHUNKS:
            estimate = sums.estimate(seats=seats)
            if estimate is not None and estimate.reach <= target:
                return count
    return None


def rounds_expected(
    rounds: int, *, target: float | None, estimate: Estimate | None, done: int
) -> float:
    """After how many rounds it will end by what is known: an interval becomes narrow as the root of the rounds."""
    if target is None or estimate is None:
        return rounds
    return max(done, min(rounds, done * (estimate.reach / target) ** 2))


def points(chunks: Iterable[tuple[int, Sums]], *, seats: int) -> list[Point]:
    """The way of the estimate, prefix by prefix; no point of it ever moves."""
    way: list[Point] = []
    prefixes = list(running(chunks))
    step = -(-len(prefixes) // MOST_POINTS) or 1
    # Counted from the end: the newest point is always there.
    for _, sums, _ in prefixes[::-1][::step][::-1]:
        estimate = sums.estimate(seats=seats)
        if estimate is not None:
            way.append((sums.rounds, estimate.ev, *estimate.interval))
    return way
