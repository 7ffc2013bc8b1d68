"""Jobs of a test, with commits and inside the frame of a `TestCase`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from holdfast import Celery
from holdfast.testing import HoldfastJobs
from tests.integration.testing_jobs.shown import NOWHERE
from tests.ledgers import empty
from tests.rehearsed import ALIAS, app_with_tasks
from tests.surroundings import current_app


@pytest.fixture(scope="module")
def tables(ledger_alias: str, django_db_blocker: Any) -> None:
    """The table that the bodies write to, beside the ledger's own."""
    with django_db_blocker.unblock():
        call_command("migrate", "project", database=ledger_alias, verbosity=0)


@pytest.fixture(params=["in a test case", "with commits"])
def frame(ledger: str, tables: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """The transaction of a `TestCase`, as Django opens it, or none as in a `TransactionTestCase`."""
    assert ledger == ALIAS
    empty(ledger, ["project_atomic_effect"])
    if request.param == "with commits":
        yield "commits"
        return
    block = transaction.atomic(using=ledger)
    block._from_testcase = True  # type: ignore[attr-defined]  # Django's own mark of its frames
    with block:
        yield "test case"
        transaction.set_rollback(True, using=ledger)


@pytest.fixture
def app() -> Iterator[Celery]:
    with current_app(NOWHERE) as app:
        yield app_with_tasks(app)


@pytest.fixture
def jobs(frame: str, app: Celery) -> Iterator[HoldfastJobs]:
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def task(app: Celery) -> Any:
    return app.tasks.__getitem__
