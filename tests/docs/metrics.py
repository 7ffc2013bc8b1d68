"""Makes the tables of docs/reference/metrics.md from the contract of metrics.

python -m tests.docs.metrics --write
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from holdfast.metrics.bounds import Metric
from holdfast.metrics.contract import CONTRACT
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "metrics.md"
BEGIN = "<!-- made by `python -m tests.docs.metrics --write` -->"
END = "<!-- end of what is made -->"


def render() -> str:
    """Return everything between the two marks."""
    return "\n".join(
        [
            "| name | type | unit | labels | most series | meaning |",
            "| --- | --- | --- | --- | --- | --- |",
            *(_row(metric) for metric in CONTRACT.values()),
        ]
    )


def page_with(rendered: str) -> str:
    """Return the page with what lies between the marks replaced."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rendered}\n\n{END}{after}"


def _row(metric: Metric) -> str:
    return f"| {' | '.join(_cells(metric))} |"


def _cells(metric: Metric) -> Iterator[str]:
    yield f"`{metric.name}`"
    yield metric.kind
    yield metric.unit
    yield ", ".join(f"`{label}`" for label in metric.labels)
    yield str(metric.most)
    yield metric.says


if __name__ == "__main__":
    page = page_with(render())
    if "--write" in sys.argv:
        PAGE.write_text(page)
    else:
        sys.stdout.write(page)
