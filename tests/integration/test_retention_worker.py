"""Pruning where it happens: by a worker at work, and by a process that is killed in the middle."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from holdfast.ledger.models import Job, Payload, Result
from holdfast.ledger.states import State
from tests.eventually import eventually
from tests.harness import Site, new_site

MANY = 600
# Killed inside its seventh transaction: the arguments are deleted in it, the jobs are not yet.
_KILLED = """
import os, signal
from datetime import timedelta
from django.db.models.query import QuerySet
from holdfast.ledger.reads import queries
from holdfast.ledger.models import Job
from holdfast.policies.retention import Retention
from holdfast.upkeep.pruner import Pruner
delete, deleted = QuerySet.delete, []
def counted(rows):
    if rows.model is Job:
        deleted.append(1)
        if len(deleted) == 7:
            os.kill(os.getpid(), signal.SIGKILL)
    return delete(rows)
QuerySet.delete = counted
while Pruner(results_kept_seconds=3600, retention=Retention(app.tasks.get)).one_pass():
    pass
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        yield site


@pytest.fixture
def empty_site(site: Site) -> Site:
    site.empty()
    return site


@pytest.mark.short_on("postgres")
def test_killed_pruner_leaves_whole_jobs_and_the_next_goes_on(empty_site: Site) -> None:
    site = empty_site
    site.task("noop").apply_many([()] * MANY)
    jobs: Any = Job.objects.using(site.alias)
    jobs.update(state=State.SUCCEEDED, finished_at=Now() - timedelta(hours=2))
    for id in jobs.values_list("id", flat=True):
        Result.objects.using(site.alias).create(id=id, status="SUCCESS", stored_at=Now())
    killed = site.process(_KILLED, environment={"HOLDFAST_PRUNE_BATCH": "50"})
    assert killed.wait(60) == -signal.SIGKILL, killed.log_tail()
    assert jobs.count() == MANY - 6 * 50
    for belonging, key in ((Payload, "job"), (Result, "id")):
        rows = belonging.objects.using(site.alias)
        assert rows.count() == jobs.count()
        assert not jobs.exclude(Exists(rows.filter(**{key: OuterRef("id")}))).exists()


@pytest.mark.slow
@pytest.mark.short_on("sqlite")
def test_worker_prunes_by_the_rules_of_its_tasks(empty_site: Site) -> None:
    site = empty_site
    site.worker()
    for n in range(8):
        site.task("latest_only").delay(n)
        site.task("noop").delay()
    site.wait_all_final()
    eventually(
        lambda: (
            len(site.jobs(task__endswith="latest_only")) == 2
            and len(site.jobs(task__endswith="noop")) == 8
        ),
        told="the newest two are left of the task that keeps two",
    )
