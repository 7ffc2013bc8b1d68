"""What the doctor can say: one definition per id, with the words of its entry in `docs/reference/findings.md`.

Ids never change their meaning. Each area has a hundred numbers, shared by all letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PAGE = "docs/reference/findings.md"
# In the order in which they are read: the numbers of each.
AREAS = {
    "System checks": range(1, 200),
    "Settings and environment": range(200, 300),
    "Broker": range(300, 400),
    "Database": range(400, 500),
    "Workers, pools, memory": range(500, 600),
    "Jobs, queues, schedules": range(600, 700),
    "Security and deployment": range(700, 800),
}
_ID = re.compile(r"holdfast\.([EWI])(\d{3})")


class Severity(StrEnum):
    """How bad it is, by the letter of the id."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


_LETTERS = {"E": Severity.ERROR, "W": Severity.WARNING, "I": Severity.INFO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was seen."""

    id: str
    """Stable: `holdfast.E310`."""
    severity: Severity
    title: str
    """What is wrong, in general."""
    evidence: str
    """What was seen, with its figures and names; no password is in it."""
    leads_to: str
    """What happens if it stays so."""
    repair: str
    """The exact setting or command."""
    link: str
    """Where to read more."""
    data: dict[str, Any] = field(default_factory=dict)
    """The evidence as values that JSON knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What is the same each time something is found; called a finding once it is seen."""

    id: str
    title: str
    leads_to: str
    repair: str

    @property
    def severity(self) -> Severity:
        return _LETTERS[self.id.partition(".")[2][0]]

    @property
    def link(self) -> str:
        """The entry in the reference; its heading is the id."""
        return f"{PAGE}#{self.id.replace('.', '').lower()}"

    def seen(self, evidence: str, *, repair: str = "", **data: Any) -> Finding:
        """Make a finding of what was seen, with an exact repair where one is known, and values for JSON."""
        return Finding(
            id=self.id,
            severity=self.severity,
            title=self.title,
            evidence=evidence,
            leads_to=self.leads_to,
            repair=repair or self.repair,
            link=self.link,
            data=data,
        )


def area_of(id: str) -> str:
    """Return the area of an id; empty if it has none."""
    number = int(id[-3:])
    return next((area for area, numbers in AREAS.items() if number in numbers), "")


REGISTRY: dict[str, Definition] = {}
# Ids that are said no more, with what became of them: they keep their place, and mean nothing else.
RETIRED = {
    "holdfast.W520": "A process of a worker on this host grew: W511 tells of the workers of all hosts.",
}


def define(id: str, *, title: str, leads_to: str, repair: str) -> Definition:
    """Add a definition to the registry; the letter of the id is its severity.

    Raises:
        ValueError: the id is not of the form `holdfast.E310`, or its number is taken.
    """
    found = _ID.fullmatch(id)
    if found is None:
        raise ValueError(f"{id!r} is no id of a finding: write holdfast.E, W or I and three digits")
    # A finding that becomes milder or worse gets a new number: the old one keeps its meaning.
    numbers = {known.rpartition(".")[2][1:]: known for known in (*RETIRED, *REGISTRY)}
    taken = numbers.get(found[2])
    # The checks have counted their letters apart from each other.
    if taken is not None and (int(found[2]) > 199 or taken == id):
        raise ValueError(f"{id!r}: the number is taken by {taken}; take the next free one")
    definition = Definition(id=id, title=title, leads_to=leads_to, repair=repair)
    REGISTRY[id] = definition
    return definition
