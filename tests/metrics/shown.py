"""What a scrape says, read by the parsers of prometheus-client: values by name and labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from holdfast.metrics.collector import Numbers
from holdfast.metrics.contract import CONTRACT
from holdfast.metrics.exposition import exposed

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass
class Scrape:
    """One answer."""

    text: str
    families: dict[str, Any] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a series; None if it is not there."""
        found = [sample.value for sample in self.samples(name) if sample.labels == labels]
        assert len(found) <= 1, found
        return found[0] if found else None

    def samples(self, name: str) -> list[Any]:
        """Return the series of a name."""
        return [
            sample
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name
        ]

    def by_label(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of a name by those of its labels, in the order of the contract."""
        labels = CONTRACT[name].labels
        return {
            tuple(sample.labels[label] for label in labels): sample.value
            for sample in self.samples(name)
        }


def scraped(source: Numbers | None = None, *, accept: str = "") -> Scrape:
    """Scrape in this process, with nothing kept from before."""
    text, kind = exposed(accept=accept, source=source or Numbers())
    return read(text.decode(), openmetrics="openmetrics" in kind)


def read(text: str, *, openmetrics: bool = False) -> Scrape:
    """Read an answer."""
    parse: Any = open_families if openmetrics else plain_families
    return Scrape(text, {family.name: family for family in parse(text)})
