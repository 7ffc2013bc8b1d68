"""Bets and bankroll of a rules file: the words first, so that a setup can be read and written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from .engine.rules import require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """Flat: one unit on every spot of every round."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        require_known(values, (), prefix="bets.")
        return cls()

    @property
    def by_count(self) -> bool:
        """Whether the count before the round decides anything."""
        return False

    def to_dict(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bankroll:
    """Money at risk."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        require_known(values, (), prefix="bankroll.")
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {}
