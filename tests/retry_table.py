"""The table of the guide to retries: its rows, and how a test brings each of them about."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.docs.pages import ROOT
from tests.project import retrying

PAGE = ROOT / "docs" / "guides" / "retries.md"
HEADS = ("the attempt", "the job is", "Celery shows", "counted", "hooks", "`link_error`", "kept")
Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How an attempt is made to leave.

    Attributes:
        again: the job goes back at once, so that it is seen after its second attempt.
        processes: only a pool of processes can do that.
    """

    task: Any = retrying.plain
    how: str
    options: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    processes: bool = False


WAYS: dict[str, Way] = {
    "returns": Way(how="return"),
    "raises, and nothing retries it": Way(how="value"),
    "raises, and a rule is about it": Way(how="os", task=retrying.ruled),
    "raises, and that rule is used up": Way(how="os", task=retrying.ruled_once),
    "raises what a `Never` is about": Way(how="key", task=retrying.ruled),
    "raises, and `autoretry_for` names it": Way(how="os", task=retrying.auto),
    "calls `self.retry()`": Way(how="retry"),
    "calls `self.retry()`, and `max_retries` is used up": Way(how="retry used up"),
    "raises `Snooze`": Way(how="snooze"),
    "raises `Ignore`": Way(how="ignore"),
    "raises `Reject`": Way(how="reject"),
    "raises `Reject(requeue=True)`": Way(how="requeue", again=True),
    "raises `Aborted`": Way(how="abort"),
    "is cancelled while it runs": Way(how="wait"),
    "is over its soft time limit": Way(
        how="limit", options={"soft_time_limit": 0.5}, processes=True
    ),
    "is over its hard time limit": Way(how="limit", options={"time_limit": 1}, processes=True),
    "dies with its process": Way(how="die once", again=True, processes=True),
    "dies with its process the third time": Way(how="die", processes=True),
}


def rows() -> dict[str, Row]:
    """Return the rows of the page by their first cell."""
    head = "| " + " | ".join(HEADS) + " |\n"
    _, _, rest = PAGE.read_text().partition(head)
    table = re.match(r"(\|.*\n)+", rest)
    assert table, f"{PAGE} has no table with the columns {HEADS}"
    lines = [line.strip("| ") for line in table.group().splitlines()[1:]]
    cells = [[cell.strip() for cell in line.split(" | ")] for line in lines]
    return {row[0]: dict(zip(HEADS, row, strict=True)) for row in cells}
