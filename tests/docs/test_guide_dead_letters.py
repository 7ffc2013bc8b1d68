"""What the guide to dead letters shows is what happens."""

from __future__ import annotations

import re

import pytest

from holdfast.ledger import audit
from holdfast.ledger.states import REASONS_OF_DEAD_LETTERS
from tests.docs.pages import ROOT, examples
from tests.harness import new_site

pytestmark = pytest.mark.short_on("sqlite")

PAGE = ROOT / "docs" / "guides" / "dead-letters.md"
BLOCKS = examples(PAGE, language="python")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_example_of_the_guide_to_dead_letters_runs(
    kind: str, request: pytest.FixtureRequest
) -> None:
    (listing,) = [block for block in BLOCKS if "Audit" in block]
    with new_site(kind, request) as site:
        site.worker(pool="threads")
        printed = site.python(BLOCKS[-1] + listing)

        assert "3 shop.tasks.no_such_task unknown task" in printed
        assert "[1] {'api_key': '********************'}" in printed
        assert re.findall(r"me (\w+)", printed) == ["discard", "replay"], "the latest at the top"
        assert [line.count for line in audit.lines()] == [3, None]


def test_queues_of_the_guide_are_what_kombu_takes() -> None:
    (block,) = [block for block in BLOCKS if "x-dead-letter-exchange" in block]
    names: dict[str, list[object]] = {}
    exec(compile(block, PAGE.name, "exec"), names)
    assert len(names["CELERY_TASK_QUEUES"]) == 3


def test_every_reason_is_explained() -> None:
    listed = re.findall(r"^\| `([a-z ]+)` \| (?:failed|dead) \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(REASONS_OF_DEAD_LETTERS)
