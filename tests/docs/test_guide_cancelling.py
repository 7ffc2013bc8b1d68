"""What the guide to cancelling and resuming shows is what happens."""

from __future__ import annotations

from typing import Any

from tests.docs.pages import ROOT, examples
from tests.surroundings import current_app

BLOCKS = examples(ROOT / "docs" / "guides" / "cancelling-and-resuming.md", language="python")


def test_example_of_the_guide_to_resuming_runs(ledger: str) -> None:
    code = BLOCKS[-1].replace("transaction.atomic()", f"transaction.atomic(using={ledger!r})")
    # Shared, the task would be part of every app that this process makes from now on.
    code = code.replace("@shared_task(", "@app.task(shared=False, ")
    with current_app("redis://127.0.0.1:1/0") as app:
        names: dict[str, Any] = {"app": app, "__name__": "guide"}
        exec(compile(code, "docs/guides/cancelling-and-resuming.md", "exec"), names)
    assert names["imported"] == [0, 1, 2, 3, 4]
