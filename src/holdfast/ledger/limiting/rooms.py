"""How much room a limit has: a calculation on what was counted under the lock of its row, without a statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.records import Use

# Until a job that was let in has begun, and makes room for the next: nobody tells the relay of a begin.
LOOK_AGAIN_SECONDS = 0.05


@dataclass(slots=True)
class Room:
    """One limit under its lock: what is taken of it, and what is left. Weights are summed, not jobs."""

    name: str
    bounds: Bounds
    tokens: float = 0.0
    refilled_at: datetime | None = None
    last_key: str = ""
    taken: int = 0
    not_begun: int = 0
    by_key: dict[str, int] = field(default_factory=dict)
    touched: bool = False

    def refill(self, now: datetime) -> None:
        """Put into the bucket what the rate gave since the last time; a clock that was set back gives nothing."""
        per_second = self.bounds.per_second
        if per_second is None:
            return
        if self.refilled_at is None:
            self.tokens = float(self.bounds.bucket)
        else:
            passed = (now - self.refilled_at).total_seconds()
            self.touched = passed < 0
            gained = max(0.0, passed) * per_second
            self.tokens = min(float(self.bounds.bucket), self.tokens + gained)
        self.refilled_at = now

    def fits(self, use: Use) -> bool:
        """Tell whether a job may go on; one that is heavier than all there is goes on alone."""
        return self._has_slots(use) and self.has_room_for_key(use) and self._has_tokens(use.weight)

    def has_room_for_key(self, use: Use) -> bool:
        """Tell whether the bound of the key lets a job go on."""
        most, taken = self.bounds.per_key, self.by_key.get(use.key, 0)
        return most is None or taken == 0 or taken + use.weight <= most

    @property
    def is_full(self) -> bool:
        """Whether not even the lightest job of a free key may go on."""
        light = Use(self.name)
        return not (self._has_slots(light) and self._has_tokens(1))

    @property
    def is_by_key_alone(self) -> bool:
        """Whether keys have nothing to do with each other."""
        return self.bounds.concurrency is None and self.bounds.rate is None

    def most_that_fit(self) -> int:
        """Return how many jobs of weight 1 may go on."""
        most = 2**31
        if self.bounds.concurrency is not None:
            most = self.bounds.concurrency - self.taken
        if self.bounds.rate is not None:
            most = min(most, int(self.tokens), self.bounds.bucket - self.not_begun)
        return max(most, 1)

    def take(self, use: Use) -> None:
        """Let a job in."""
        self._add(use, 1)

    def give_back(self, use: Use) -> None:
        """Undo `take`: the job was not there any more."""
        self._add(use, -1)

    def seconds_to_next(self) -> float | None:
        """Return when the rate may let another one in; None if that does not depend on time."""
        per_second = self.bounds.per_second
        if per_second is None or not self._has_slots(Use(self.name)):
            return None
        return max((1.0 - self.tokens) / per_second, LOOK_AGAIN_SECONDS)

    def _add(self, use: Use, times: int) -> None:
        self.taken += use.weight * times
        self.by_key[use.key] = self.by_key.get(use.key, 0) + use.weight * times
        if self.bounds.rate is not None:
            self.tokens -= self._cost(use.weight) * times
            self.not_begun += self._cost(use.weight) * times
        self.touched = True

    def _cost(self, weight: int) -> int:
        return min(weight, self.bounds.bucket)

    def _has_slots(self, use: Use) -> bool:
        most = self.bounds.concurrency
        return most is None or self.taken == 0 or self.taken + use.weight <= most

    def _has_tokens(self, weight: int) -> bool:
        if self.bounds.rate is None:
            return True
        cost = self._cost(weight)
        return self.tokens >= cost and self.not_begun + cost <= self.bounds.bucket
