"""What tests share: jobs of the reference project run inline, and jobs run in the test's process on a worker's path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command

from holdfast import Celery
from holdfast.testing import HoldfastJobs
from tests.ledgers import empty
from tests.surroundings import current_app


@pytest.fixture
def inline() -> Iterator[None]:
    """Run every job in the call that sends it."""
    from jost.simulations import tasks

    conf = tasks.run_chunk.app.conf
    conf.task_always_eager = True
    yield
    conf.task_always_eager = False


@pytest.fixture(scope="module")
def tables(ledger_alias: str, django_db_blocker: Any) -> None:
    """The table that bodies write to, beside the ledger's own."""
    with django_db_blocker.unblock():
        call_command("migrate", "project", database=ledger_alias, verbosity=0)


@pytest.fixture
def app(ledger: str, tables: None) -> Iterator[Celery]:
    """An app of the test's own, without a broker."""
    empty(ledger, ["project_atomic_effect"])
    with current_app("redis://127.0.0.1:1/0") as app:
        yield app


@pytest.fixture
def jobs(app: Celery) -> Iterator[HoldfastJobs]:
    """What is recorded, and the drain that runs it."""
    with HoldfastJobs() as jobs:
        yield jobs


@pytest.fixture
def put(app: Celery) -> Callable[..., Any]:
    """Register a function as a bound task of this test's app."""

    def put(function: Callable[..., Any], **options: Any) -> Any:
        options = {"name": function.__name__, "shared": False, "bind": True} | options
        return app.task(**options)(function)

    return put
