"""What the guide to unique jobs shows is what happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import current_app

from tests.docs.pages import ROOT, examples
from tests.harness import Site, new_site
from tests.integration.unique.jobs import called_with

BLOCKS = examples(ROOT / "docs" / "guides" / "unique-jobs.md", language="python")


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site("sqlite", request) as site:
        yield site


def test_examples_of_the_guide_run_as_they_are_shown(site: Site) -> None:
    names: dict[str, Any] = {"__name__": "guide"}
    for block in BLOCKS:
        code = block.replace("@shared_task(", "@current_app.task(shared=False, ")
        names["current_app"] = current_app
        exec(compile(code, "docs/guides/unique-jobs.md", "exec"), names)
    assert called_with(names["last"].id) == (["home", "abc"], {})
