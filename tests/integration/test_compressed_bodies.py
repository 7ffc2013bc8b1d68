"""A body that was compressed is read wherever a job's body is read."""

from __future__ import annotations

import pytest

from holdfast.ledger import interventions
from holdfast.ledger.states import Reason
from tests.eventually import eventually
from tests.harness import new_site


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_error_callback_of_a_dead_job_is_found_in_a_compressed_body(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        told = site.task("failed_id").s(name="compressed")
        sent = site.task("add").apply_async((1, 2), compression="gzip", link_error=told)
        interventions.bury(sent.id, reason=Reason.UNDECODABLE)
        site.worker(concurrency=1)
        eventually(
            lambda: site.effect_counts()["failed compressed by id"] == 1,
            told="its error callback ran",
        )
