"""What the guide to limits shows is what happens."""

from __future__ import annotations

from itertools import count
from typing import Any
from unittest import mock

import holdfast
from holdfast.ledger.models import Audit, Job
from holdfast.ledger.states import State
from tests.docs.pages import ROOT, examples
from tests.surroundings import current_app

BLOCKS = examples(ROOT / "docs" / "guides" / "limits.md", language="python")
_numbers = count(1)


def run(block: str, **names: Any) -> dict[str, Any]:
    # Each time under a name of its own: apps that are there keep the tasks of the last time.
    module = {"__name__": f"guide_to_limits_{next(_numbers)}"}
    exec(compile(block, "docs/guides/limits.md", "exec"), module | names)
    return names


def test_example_of_the_guide_to_limits_runs(ledger: str) -> None:
    with current_app("memory://"), mock.patch("holdfast.broker.publisher.Publisher.publish"):
        run(BLOCKS[0])
        jobs = Job.objects.using(ledger)
        let_in = jobs.filter(state=State.QUEUED).count()
        assert (let_in, jobs.filter(hold="limit").count()) == (3, 38), (
            "two of one tenant, one of the other"
        )
        run(BLOCKS[2])
        assert jobs.filter(task__endswith="import_orders").count() == 1
        run(BLOCKS[3])
        run(BLOCKS[4], holdfast=holdfast)
    assert [line.action for line in Audit.objects.using(ledger).order_by("id")] == [
        *["limit"] * 2,
        "pause",
        "resume",
    ]
