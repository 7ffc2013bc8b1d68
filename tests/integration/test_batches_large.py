"""Workflows with many members: what their dispatch asks of memory and database, and that all of them end.

`TEST_MEMBERS=100000` and `TEST_CHORD_MEMBERS=100000` make them as large as those that the figures of
docs/guides/batches.md are for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast import Batch
from holdfast.ledger.database import connection
from holdfast.results import reading
from tests.eventually import eventually
from tests.harness import Site, new_site

MEMBERS = int(os.environ.get("TEST_MEMBERS", "2000"))
# A chord's members end one after the other, each with a commit of its own.
OF_A_CHORD = int(os.environ.get("TEST_CHORD_MEMBERS", max(300, MEMBERS // 10)))
PATIENCE = 30 + max(MEMBERS, OF_A_CHORD) / 50

# Sent by a process of its own: its memory is its own too, and so are its statements.
_SEND = """
import json, resource
from celery import chord, group
from django.db import connection
from holdfast import Batch

kind, size = sys.argv[1], int(sys.argv[2])
noop, add, count = tasks.noop, tasks.add, tasks.count
statements = 0

def counted(execute, *args):
    global statements
    statements += 1
    return execute(*args)

def send():
    if kind == "batch":
        batch = Batch("large", on_complete=noop.si())
        batch.add(noop.s() for _ in range(size))
        return batch.id
    if kind == "delay":
        with Batch("large", on_complete=noop.si()) as batch:
            for _ in range(size):
                noop.delay()
        return batch.id
    if kind == "chunks":
        with Batch("large", on_complete=noop.si()) as batch:
            add.chunks([(n, n) for n in range(size)], 100).apply_async()
        return batch.id
    if kind == "group":
        result = group(add.si(n, 1) for n in range(size)).apply_async()
        result.save()
        return result.id
    return chord([add.si(n, 1) for n in range(size)], count.s()).apply_async().id

noop.apply_async(countdown=86400)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.monotonic()
with connection.execute_wrapper(counted):
    sent = send()
seconds = time.monotonic() - began
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
print(json.dumps({"id": sent, "seconds": seconds, "mib": grown, "statements": statements}))
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def running_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        site.worker(pool="threads", concurrency=4)
        yield site


@pytest.fixture
def site(running_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    with request.getfixturevalue("django_db_blocker").unblock():
        running_site.empty()
        yield running_site


def send(site: Site, kind: str, size: int) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(site.python(_SEND, kind, str(size)).splitlines()[-1])
    print(f"{kind} of {size:,} on {connection().vendor}: {said}")  # noqa: T201  # for whoever measures
    return said


@pytest.mark.slow
@pytest.mark.short_on("postgres")
def test_batch_takes_little_memory_and_few_statements_and_all_of_it_ends(site: Site) -> None:
    said = send(site, "batch", MEMBERS)
    # Three in a thousand on PostgreSQL, six on SQLite, and a few for the batch itself.
    assert said["statements"] <= 20 + MEMBERS * 7 / 1000
    assert said["mib"] < 20
    batch = Batch.get(said["id"])
    progress = batch.wait(timeout=PATIENCE)
    assert progress.succeeded == progress.total == MEMBERS
    assert batch.has_succeeded()


@pytest.mark.slow
def test_cancelled_batch_is_complete_however_many_members_wait(site: Site) -> None:
    with Batch() as batch:
        batch.add(site.task("noop").s().set(countdown=3600) for _ in range(1200))
        site.task("noop").delay()
    batch.cancel(actor="test")
    assert batch.is_complete()
    assert batch.progress().cancelled >= 1200


@pytest.mark.soak
def test_group_is_waited_for_by_looks_of_bounded_size(site: Site) -> None:
    said = send(site, "group", MEMBERS)
    assert said["statements"] <= 20 + MEMBERS * 7 / 1000
    widest = 0

    def measured(execute: Any, sql: str, params: Any, *rest: Any) -> Any:
        nonlocal widest
        widest = max(widest, len(params or ()))
        return execute(sql, params, *rest)

    group = site.app.GroupResult.restore(said["id"])
    with connection().execute_wrapper(measured):
        results = group.get(timeout=PATIENCE)
    assert results == [n + 1 for n in range(MEMBERS)]
    assert widest <= reading.LOOKED_AT + 10


@pytest.mark.soak
def test_chord_sends_its_body_after_the_last_of_many(site: Site) -> None:
    said = send(site, "chord", OF_A_CHORD)
    assert site.result(said["id"]).get(timeout=PATIENCE) == OF_A_CHORD


@pytest.mark.soak
def test_chunks_are_one_job_each(site: Site) -> None:
    said = send(site, "chunks", MEMBERS)
    batch = Batch.get(said["id"])
    batch.wait(timeout=PATIENCE)
    assert batch.progress().succeeded == MEMBERS / 100
    eventually(lambda: site.counts(task="celery.starmap") == {"succeeded": MEMBERS / 100})
