"""What a limit allows: read from code, from settings and from the command line, and kept as JSON in the ledger."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Self

from holdfast.exceptions import ConfigurationError

_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)?\s*([smhd]))?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be queued or run at once (by weight), and how many may be let in per period. None: no bound.

    Raises:
        ConfigurationError: a bound that is no positive number, or a rate nobody can read.
    """

    concurrency: int | None = None
    per_key: int | None = None
    rate: str | None = None
    """Such as "100/m" or "5/10s": how many per period."""
    burst: int | None = None
    """Most that may be let in at once; without it what the rate gives in a second, and at least 1."""
    skip: bool = False
    """What does not fit is cancelled, and does not wait."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "per_key", "burst"):
            value = getattr(self, name)
            if value is not None and (
                not isinstance(value, int) or isinstance(value, bool) or value < 1
            ):
                raise ConfigurationError(
                    f"The {name} of a limit is {value!r}: give a whole number from 1 on, or None for no bound. "
                    "To stop everything, pause the task or its queue."
                )
        if self.rate is not None:
            parse_rate(self.rate)
        elif self.burst is not None:
            raise ConfigurationError(
                f"A limit has a burst of {self.burst} and no rate: give a rate such as '100/m' too."
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read bounds that were stored by whatever release; what this one does not know is left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    @staticmethod
    @lru_cache(maxsize=1000)
    def from_text(text: str) -> Bounds:
        """Read stored bounds."""
        return Bounds.of(json.loads(text or "{}"))

    def as_text(self) -> str:
        """Return the bounds as they are stored."""
        return json.dumps(
            {key: value for key, value in asdict(self).items() if value}, sort_keys=True
        )

    @property
    def per_second(self) -> float | None:
        """How many jobs a second the rate lets in, in the long run."""
        if self.rate is None:
            return None
        count, seconds = parse_rate(self.rate)
        return count / seconds

    @property
    def bucket(self) -> int:
        """Most tokens there can be, and most jobs that may be let in and not have begun."""
        return self.burst or max(1, math.ceil(self.per_second or 1))


def parse_rate(rate: str | float) -> tuple[float, float]:
    """Return (how many, in how many seconds) of "100/m", "5/10s", "0.5/s", or a number per second.

    Raises:
        ConfigurationError: it says something else.
    """
    found = _RATE.fullmatch(str(rate))
    if found is None or float(found[1]) <= 0 or (found[2] and float(found[2]) <= 0):
        raise ConfigurationError(
            f"{rate!r} is no rate: write how many per period, such as '10/s', '100/m', '5/10s' or '1000/h'."
        )
    return float(found[1]), float(found[2] or 1) * _PERIODS[found[3] or "s"]
