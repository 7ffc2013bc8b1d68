"""Which fault is next: drawn by the seed, by need, so that no kind makes up too much and each gets its turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from tests.chaos.faults import Fault

# No kind may make up more than this share of the faults of a run, and one, once there are enough to speak of shares.
SHARE = 0.15
SOME = 20
# Seconds for which a target is left alone after a fault: without them nobody would ever be able to rescue anything,
# for after an outage of the database nobody judges before a lease of steady beats.
CALM = {"database": 9.0}


class Choice:
    """Deals out faults to lanes that strike side by side; never two at the same target at once."""

    def __init__(
        self,
        catalogue: Sequence[Fault],
        rng: Random,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.catalogue = catalogue
        self.rng = rng
        self._clock = clock
        self.hits: Counter[str] = Counter({fault.name: 0 for fault in catalogue})
        self.misses: Counter[str] = Counter()
        self._under_way: set[str] = set()
        self._calm_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self) -> Fault | None:
        """Return a fault whose target is free, one of those that have happened least; None if all targets are taken.

        Whoever takes it must give it back. A fault that found nothing to hit counts for half, so that it is tried
        again soon but keeps nobody else from his turn.
        """
        with self._lock:
            free = [fault for fault in self.catalogue if self._is_free(fault)]
            if not free:
                return None
            least = min(map(self._weight, free))
            chosen = self.rng.choice([one for one in free if self._weight(one) < least + 1])
            self._under_way.add(chosen.hits)
            return chosen

    def give_back(self, fault: Fault, *, hit: bool) -> None:
        """Note that a fault is over, and whether it hit something that held work."""
        with self._lock:
            self._under_way.discard(fault.hits)
            self._calm_until[fault.hits] = self._clock() + CALM.get(fault.hits, 0.0)
            (self.hits if hit else self.misses)[fault.name] += 1

    def _weight(self, fault: Fault) -> float:
        return self.hits[fault.name] + self.misses[fault.name] / 2

    def _is_free(self, fault: Fault) -> bool:
        total = self.hits.total()
        over = total >= SOME and self.hits[fault.name] > SHARE * total + 1
        calm = self._clock() < self._calm_until.get(fault.hits, 0.0)
        return not (over or calm or fault.hits in self._under_way)
