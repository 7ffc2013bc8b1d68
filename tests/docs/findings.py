"""Makes docs/reference/findings.md from the registry of the doctor's findings.

python -m tests.docs.findings --write
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from holdfast.doctor.findings import AREAS, REGISTRY, RETIRED, Definition, Severity, area_of
from holdfast.doctor.probing import Probe, probes
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "findings.md"
BEGIN = "<!-- made by `python -m tests.docs.findings --write` -->"
END = "<!-- end of what is made -->"


def render() -> str:
    """Return everything between the two marks."""
    all = probes()
    return "\n".join([*(line for area in AREAS for line in _area(area, all)), *_retired()])


def page_with(rendered: str) -> str:
    """Return the page with what lies between the marks replaced."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered}\n{END}{after}"


def number(definition: Definition) -> int:
    """Return the number of an id."""
    return int(definition.id[-3:])


def said_by(definition: Definition, all: tuple[Probe, ...]) -> list[Probe]:
    """Return the probes that can say it."""
    return [probe for probe in all if any(one.id == definition.id for one in probe.finds)]


def _retired() -> Iterator[str]:
    yield "## Said no more"
    yield ""
    for id, became in sorted(RETIRED.items()):
        yield f"- `{id}`: {became}"
    yield ""


def _linked(text: str) -> str:
    """Turn the pages that a text names into links."""
    return re.sub(r"docs/((?:[\w-]+/)*([\w-]+)\.md(?:#[\w-]+)?)", r"[\2](../\1)", text)


def _area(area: str, all: tuple[Probe, ...]) -> Iterator[str]:
    found = sorted(
        (one for one in REGISTRY.values() if area_of(one.id) == area),
        key=lambda one: (number(one), one.severity.rank),
    )
    if found:
        yield f"## {area}"
        yield ""
    for definition in found:
        yield from _entry(definition, said_by(definition, all))


def _entry(definition: Definition, probes: list[Probe]) -> Iterator[str]:
    yield f"### {definition.id}"
    yield ""
    yield f"**{definition.title}.** {_kind(definition.severity, probes)}"
    yield ""
    yield f"- Leads to: {_linked(definition.leads_to)}"
    yield f"- Repair: {_linked(definition.repair)}"
    yield ""


def _kind(severity: Severity, probes: list[Probe]) -> str:
    word = {Severity.ERROR: "An error", Severity.WARNING: "A warning", Severity.INFO: "A remark"}
    way = "by a live probe" if any(probe.live for probe in probes) else "from what is set"
    deploy = " with `--deploy`" if probes and all(probe.deploy for probe in probes) else ""
    return f"{word[severity]}, found {way}{deploy}."


if __name__ == "__main__":
    wanted = page_with(render())
    if "--write" in sys.argv:
        PAGE.write_text(wanted)
    elif wanted != PAGE.read_text():
        sys.exit(f"{PAGE} is stale: run python -m tests.docs.findings --write")
