"""The same for django-health-check: `"holdfast.health.plugin.Holdfast"` among the checks of its view."""

from __future__ import annotations

from dataclasses import dataclass

from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable

from holdfast.health.report import health


@dataclass
class Holdfast(HealthCheck):
    """Whether the ledger's database, its migrations, the broker and the backlog are well.

    Only a part that is needed makes it fail: django-health-check answers a warning as it does an error.

    Args:
        needs: parts that must be well beside those of `HOLDFAST["ready_needs"]`, with commas between them.
    """

    needs: str = ""

    def run(self) -> None:
        """Look.

        Raises:
            ServiceUnavailable: a part is not well that is needed.
        """
        found = health(needs=[part for part in self.needs.split(",") if part])
        if not found.ready:
            sick = (fact for fact in found.facts.values() if not fact.well)
            raise ServiceUnavailable("; ".join(f"{fact.part}: {fact.says}" for fact in sick))
