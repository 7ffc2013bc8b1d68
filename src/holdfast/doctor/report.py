"""What the doctor has found, for people and for programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from holdfast.doctor.findings import Finding, Severity

SCHEMA = 1
HEALTHY, SICK, WARNED = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A probe that was not asked."""

    probe: str
    area: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One examination."""

    findings: list[Finding]
    """The worst first, and in their order of dependency."""
    skipped: list[Skipped] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Names of the probes that were asked."""
    silenced: list[str] = field(default_factory=list)
    """Ids that were found and that SILENCED_SYSTEM_CHECKS names."""
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity.value: counted[severity] for severity in Severity}

    @property
    def advice(self) -> str:
        """One sentence: what to do first."""
        if not self.findings:
            return (
                "Nothing is wrong that can be seen"
                + (f"; {len(self.skipped)} probes could not look" if self.skipped else "")
                + "."
            )
        first = self.findings[0]
        repair = first_sentence(first.repair)
        count = len(self.findings)
        many = {1: "", 2: ", then the other one"}.get(count, f", then the other {count - 1}")
        return f"First mend {first.id} ({lowered(first.title)}): {lowered(repair)}{many}."

    def status(self, *, fail_on: Severity = Severity.ERROR) -> int:
        """Return the exit status: 1 with errors; with what is milder 2, if it is to count."""
        worst = min((finding.severity.rank for finding in self.findings), default=99)
        if worst == Severity.ERROR.rank:
            return SICK
        return WARNED if worst <= fail_on.rank else HEALTHY

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints; docs/guides/doctor.md describes it."""
        return {
            "schema": SCHEMA,
            "ok": not self.counts[Severity.ERROR],
            "counts": self.counts,
            "advice": self.advice,
            "findings": [asdict(finding) for finding in self.findings],
            "skipped": [asdict(skipped) for skipped in self.skipped],
            "silenced": self.silenced,
            "asked": self.asked,
            "seconds": round(self.seconds, 3),
        }

    def as_json(self) -> str:
        """Return the same as one line of JSON."""
        return json.dumps(self.as_dict(), default=str)

    def lines(self, *, paint: Any = None) -> Iterator[str]:
        """Yield the report for people; `paint(severity, text)` colours a text."""
        colour = paint or (lambda _severity, text: text)
        for severity in Severity:
            found = [finding for finding in self.findings if finding.severity == severity]
            if found:
                yield colour(severity, f"{_plural(len(found), severity.value)}:")
                for finding in found:
                    yield from _told(finding, colour)
                yield ""
        for because in sorted({skipped.because for skipped in self.skipped}):
            areas = sorted({one.area for one in self.skipped if one.because == because})
            count = sum(one.because == because for one in self.skipped)
            probes = "1 probe" if count == 1 else f"{count} probes"
            yield f"Not looked at ({probes} of {', '.join(areas)}), because {because}."
        if self.silenced:
            yield f"Silenced by SILENCED_SYSTEM_CHECKS: {', '.join(self.silenced)}."
        yield self.advice


def _told(finding: Finding, colour: Any) -> Iterator[str]:
    yield colour(finding.severity, f"  {finding.id}  {finding.title}")
    yield from _folded("seen", finding.evidence)
    yield from _folded("leads to", finding.leads_to)
    yield from _folded("repair", finding.repair)
    yield f"    {'more':<9}{finding.link}"


def _folded(word: str, text: str) -> Iterator[str]:
    for line in text.splitlines() or [""]:
        yield f"    {word:<9}{line}".rstrip()
        word = ""


def _plural(count: int, word: str) -> str:
    if word == Severity.INFO:
        return "1 remark" if count == 1 else f"{count} remarks"
    return f"1 {word}" if count == 1 else f"{count} {word}s"


_NAMES = {"Autovacuum", "Celery", "Django", "Flower", "PostgreSQL", "Redis"}


def first_sentence(text: str) -> str:
    """Return a text up to the end of its first sentence, on one line."""
    line = " ".join(text.split())
    return re.split(r"[.]\s+(?=[A-Z`])", line)[0].rstrip(".")


def lowered(text: str) -> str:
    """Begin a text small, unless it begins with a name."""
    first = text.partition(" ")[0]
    named = first in _NAMES or (first.isupper() and len(first) > 1) or "_" in first or "." in first
    return text if named else text[:1].lower() + text[1:]
