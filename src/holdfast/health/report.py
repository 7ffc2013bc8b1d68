"""What the facts come to: well, degraded, or failing, by what this process needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.conf import get_settings
from holdfast.health.facts import Fact
from holdfast.health.looking import Looker, looker


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All parts, and which of them must be well."""

    facts: Mapping[str, Fact]
    needs: frozenset[str]

    @property
    def ready(self) -> bool:
        """Whether every part that is needed is well."""
        return all(fact.well for name, fact in self.facts.items() if name in self.needs)

    @property
    def status(self) -> str:
        """One word: "ok"; "degraded", if only parts that are not needed are not well; "failing"."""
        if not self.ready:
            return "failing"
        return "ok" if all(fact.well for fact in self.facts.values()) else "degraded"

    @property
    def shown(self) -> dict[str, Any]:
        """The same in types of JSON, without what services have said."""
        return {
            "status": self.status,
            "parts": {
                name: {"well": fact.well, "needed": name in self.needs, "says": fact.says}
                for name, fact in sorted(self.facts.items())
            },
        }


def health(*, needs: Collection[str] = (), source: Looker = looker) -> Health:
    """Look at this process's health: within a second the same for all who ask, and after three seconds at most.

    Args:
        needs: parts that must be well beside those of `HOLDFAST["ready_needs"]`.
        source: who looks.
    """
    return Health(facts=source.facts(), needs=frozenset({*get_settings().ready_needs, *needs}))
