"""What one metric is, and how much is told of anything; the names themselves stand in `contract`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdfast.ledger.histograms import BOUNDS
from holdfast.ledger.tallies import MOST_NAMES

Kind = Literal["counter", "gauge", "histogram", "info"]
PREFIX = "holdfast_"
# Names in one label; of what comes later, or is less, nothing is told but in the sums.
MOST_QUEUES = 100
MOST_WORKERS = 200
MOST_LIMITS = 100
MOST_SCHEDULES = 100
MOST_TABLES = 100
MOST_CAUSES = 50
MOST_LETTERS = 20
MOST_CHANNELS = 20
# Of tasks and queues in the sums: the names that are kept, and one for the others.
MOST_NAMED = MOST_NAMES + 1
# No list is counted further.
MOST_COUNTED = 10_000
# Three slots a decade of those that minutes are counted in.
BUCKETS = (*(n for tens in range(0, 80, 10) for n in (tens, tens + 3, tens + 7)), 80)
BUCKET_SECONDS = tuple(BOUNDS[n] for n in BUCKETS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One name."""

    name: str
    kind: Kind
    says: str
    """What it means, in a sentence."""
    labels: tuple[str, ...] = ()
    most: int = 1
    """Most series of it: what bounds the cost in the server that keeps them."""

    @property
    def unit(self) -> str:
        """The unit, as its name says it; empty: it counts."""
        bare = self.name.removesuffix("_total")
        return next((unit for unit in ("seconds", "bytes") if bare.endswith(unit)), "")
