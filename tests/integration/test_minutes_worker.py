"""Minutes as real processes count them: one that is killed while it writes, and the worker that comes after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from holdfast.ledger.models import Minute
from tests.eventually import eventually
from tests.finished import finished
from tests.harness import Site, new_site
from tests.integration.test_minutes import last_full

# Killed between the rows of a minute and their commit.
_KILLED = """
import os, signal
from django.db.models.query import QuerySet
from holdfast.upkeep.minutes import MinuteKeeper
write = QuerySet.bulk_create
def torn(rows, *given, **more):
    write(rows, *given, **more)
    os.kill(os.getpid(), signal.SIGKILL)
QuerySet.bulk_create = torn
MinuteKeeper().one_pass()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        yield site


def test_worker_counts_the_minute_that_somebody_was_killed_over(site: Site) -> None:
    at = last_full()
    finished(5, at=at, task="mail")
    killed = site.process(_KILLED)
    assert killed.wait(60) == -signal.SIGKILL, killed.log_tail()
    rows = Minute.objects.using(site.alias)
    assert not rows.exists()
    site.worker()
    eventually(rows.exists, told="the worker with the duty counts the minute")
    assert rows.get(task="", queue="").succeeded == 5
    assert rows.get(task="mail").succeeded == 5
