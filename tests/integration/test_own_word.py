"""Settings of Celery's that a project states itself, where Holdfast has another default: jobs end all the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from celery import chain

from tests.harness import Site, new_site

pytestmark = pytest.mark.short_on("sqlite-threads", "postgres-prefork")

# Every connection is closed around every task, and the consumer is another's.
STATED = json.dumps(
    {"db_reuse_max": 0, "worker_consumer": "tests.project.consuming:NotingConsumer"}
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_jobs_end_where_a_project_closes_connections_and_has_its_own_consumer(
    site: Site, pool: str
) -> None:
    worker = site.worker(pool=pool, environment={"TEST_CELERY": STATED})
    add, leave = site.task("add"), site.task("leave_atomic")
    sent = [add.delay(number, 1) for number in range(5)]
    atomic = [leave.delay("return", f"{pool} {number}") for number in range(5)]
    chained = chain(add.s(1, 2), add.s(3)).delay()

    site.wait_all_final()

    assert [result.get() for result in sent] == [1, 2, 3, 4, 5]
    assert chained.get() == 6
    found = site.jobs(id__in=[result.id for result in (*sent, *atomic)])
    assert {(row.failures, row.losses) for row in found.values()} == {(0, 0)}
    assert set(site.states().values()) == {"succeeded"}, site.log_tails()
    assert site.effects().count("consumer ['NotingConsumer', 'LedgerConsumer']") == 1
    worker.stop()
    site.empty()
