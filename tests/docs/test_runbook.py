"""What the runbook tells the person on call works: every snippet is run, every log line is one of ours."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from holdfast.ledger import interventions
from holdfast.ledger.states import Reason
from tests.docs.pages import ROOT, examples
from tests.harness import Site, new_site

RUNBOOK = ROOT / "docs" / "runbook.md"
_SQL = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute({statement!r})
    cursor.fetchall()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


def test_every_snippet_of_the_runbook_runs(site: Site) -> None:
    dead = site.task("noop").delay().id
    waiting = site.task("noop").delay().id
    interventions.bury(dead, reason=Reason.UNKNOWN_TASK)
    snippets = examples(RUNBOOK, language="python")
    snippets += [_SQL.format(statement=sql) for sql in examples(RUNBOOK, language="sql")]
    assert len(snippets) >= 10

    printed = site.python("\n".join(f"exec({snippet!r}, {{}})" for snippet in snippets))

    assert "queued 1" in printed
    assert "dead 1" in printed
    assert re.search(r"^celery .*NOBODY SERVES IT$", printed, re.MULTILINE)
    assert site.states() == {dead: "queued", waiting: "queued"}, "the dead one was replayed"


def test_log_lines_of_the_runbook_are_in_the_code() -> None:
    tables = re.findall(r"^\| log line begins.*?\n((?:\|.*\n)+)", RUNBOOK.read_text(), re.MULTILINE)
    lines = [line for table in tables for line in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)]
    assert len(lines) >= 12
    ours = _texts()
    for line in lines:
        assert any(text.startswith(line) for text in ours), f"no log line begins with {line!r}"


def _texts() -> set[str]:
    found = set()
    for file in (ROOT / "src" / "holdfast").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found
