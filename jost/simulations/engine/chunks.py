"""How a simulation is cut into chunks: by its rounds alone, so that its answer is too."""

from dataclasses import dataclass

MIN_ROUNDS = 1_000
MAX_ROUNDS = 20_000_000_000
# The largest whole number that a browser's JavaScript keeps exact.
MAX_SEED = 2**53 - 1

# A compiled chunk of this many rounds takes about a quarter of a second.
USUAL_CHUNK = 5_000_000
MOST_CHUNKS = 2_000
# Small simulations are cut finer, for a progress that moves and an estimate that can be watched.
FEWEST_CHUNKS = 20
SMALLEST_CHUNK = 50_000


def chunk_size_for(rounds: int) -> int:
    """The rounds in one chunk of a simulation of so many rounds; there are always two or more.

    Celery makes a plain chain of a chord over one job, and its error callback would hear nothing.
    """
    cut_finely = max(-(-rounds // FEWEST_CHUNKS), SMALLEST_CHUNK)
    size = max(min(cut_finely, USUAL_CHUNK), -(-rounds // MOST_CHUNKS))
    return min(size, -(-rounds // 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The chunks of one simulation: all of `chunk_size` rounds but the last, which has the rest."""

    rounds: int
    chunk_size: int

    @classmethod
    def for_rounds(cls, rounds: int) -> "Plan":
        return cls(rounds=rounds, chunk_size=chunk_size_for(rounds))

    @property
    def chunks(self) -> int:
        return -(-self.rounds // self.chunk_size)

    def rounds_in(self, index: int) -> int:
        if not 0 <= index < self.chunks:
            raise IndexError(f"There is no chunk {index}: the plan has {self.chunks}, from 0 on.")
        return min(self.chunk_size, self.rounds - index * self.chunk_size)
