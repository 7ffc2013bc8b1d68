"""The same for django-health-check: `"holdfast.health.plugin.Holdfast"` among the checks of its view."""

from __future__ import annotations

from dataclasses import dataclass

from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from holdfast.health.report import health


@dataclass
class Holdfast(HealthCheck):
    """Whether the ledger's database, its migrations, the broker and the backlog are well.

    A part that is needed makes it unavailable; of one that is not there is a warning.

    Args:
        needs: parts that must be well beside those of `HOLDFAST["ready_needs"]`, with commas between them.
    """

    needs: str = ""

    def run(self) -> None:
        """Look.

        Raises:
            ServiceUnavailable: a part is not well that is needed.
            ServiceWarning: another one is not.
        """
        found = health(needs=[part for part in self.needs.split(",") if part])
        sick = [fact for fact in found.facts.values() if not fact.well]
        told = "; ".join(f"{fact.part}: {fact.says}" for fact in sick)
        if not found.ready:
            raise ServiceUnavailable(told)
        if sick:
            raise ServiceWarning(told)
