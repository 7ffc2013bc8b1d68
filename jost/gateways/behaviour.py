"""How the world outside misbehaves, as it was told to; used by the process of the gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any, Self


class BehaviourError(ValueError):
    """What a gateway was told makes no sense; the message says the repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What one gateway does instead of answering at once; shares are of its calls, from 0 to 1.

    A call is first delayed, then may be refused with 429 (`too_many`, to come again after
    `retry_after` seconds), fail with 503 (`fails`) or be declined for good with 402 (`declines`):
    nothing has happened then. With `honours_keys` a call whose key is known gets the first answer
    again and has no effect. The worst comes last: the effect happens, `answer_seconds` go by, and
    then the connection ends without a word (`loses_answer`), or the whole process of the gateways
    does (`dies`), which starts with nothing told.
    """

    delay_seconds: float = 0.0
    answer_seconds: float = 0.0
    too_many: float = 0.0
    retry_after: int = 1
    fails: float = 0.0
    declines: float = 0.0
    loses_answer: float = 0.0
    dies: float = 0.0
    honours_keys: bool = False

    def __post_init__(self) -> None:
        for name in ("too_many", "fails", "declines", "loses_answer", "dies"):
            _require_number(name, getattr(self, name), least=0, most=1)
        for name in ("delay_seconds", "answer_seconds"):
            _require_number(name, getattr(self, name), least=0, most=600)
        _require_number("retry_after", self.retry_after, least=0, most=3600)
        if not isinstance(self.honours_keys, bool):
            raise BehaviourError("honours_keys must be true or false.")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, present: Self) -> Self:
        """Change what is named and leave the rest as it is."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise BehaviourError(f"A gateway has no {name!r}; it has {', '.join(known)}.")
        return cls(**(asdict(present) | dict(values)))

    def happens(self, share: float, *, dice: Random) -> bool:
        return share > 0 and dice.random() < share


def _require_number(name: str, value: object, *, least: float, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise BehaviourError(f"{name} must be a number from {least} to {most}.")
