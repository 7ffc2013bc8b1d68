"""What plain Celery's jobs send on from a worker with Holdfast: each step, callback and error callback is sent once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import chain

from tests.harness import SHORT, Site, new_site

COUNTED = ("after link", "failed broken ValueError", "end last")


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site that has gone the first step: Holdfast is there, and nothing is durable."""
    with new_site("sqlite", request, holdfast={**SHORT, "durable": False}) as site:
        yield site


def test_chain_and_callbacks_of_jobs_that_are_not_durable_are_sent(site: Site) -> None:
    worker = site.worker()
    steps = [site.task("effect").si(name) for name in ("first", "second", "last")]
    chain(steps).apply_async(link=site.task("after").s("link"))
    site.task("leave").apply_async(
        ("raise", "broken"), link_error=site.task("failed").s(name="broken")
    )

    for line in COUNTED:
        site.await_effect(line)
    assert [site.effect_counts()[line] for line in COUNTED] == [1, 1, 1]
    assert site.jobs() == {}, "they are plain Celery's: the ledger does not know them"
    worker.stop()
