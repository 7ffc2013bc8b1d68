"""The fixture and the mixin as a project uses them, in this very suite: on the test database, with its own app."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import TestCase, TransactionTestCase, override_settings

from holdfast.testing import HoldfastJobs, HoldfastJobsMixin
from tests.project.tasks import add, retry_in


@pytest.fixture(autouse=True)
def ledger_of_the_suite() -> Iterator[None]:
    """The database of Django's own fixtures, whatever other tests have made their ledger."""
    with override_settings(HOLDFAST={"database": "default"}):
        yield


def works(jobs: HoldfastJobs) -> None:
    with transaction.atomic():
        sent = add.delay(1, 2)
    jobs.assert_recorded(add, args=(1, 2), count=1)
    assert jobs.drain() == 1
    assert sent.get(timeout=1) == 3
    retry_in.delay(60)
    jobs.drain()
    jobs.assert_recorded(retry_in, eta=timedelta(seconds=60))


def test_fixture_works_in_the_transaction_of_a_test(db: Any, holdfast_jobs: HoldfastJobs) -> None:
    works(holdfast_jobs)


def test_fixture_asked_for_before_the_database_works(holdfast_jobs: HoldfastJobs, db: Any) -> None:
    works(holdfast_jobs)


@pytest.mark.django_db(transaction=True)
def test_fixture_works_with_commits(holdfast_jobs: HoldfastJobs) -> None:
    works(holdfast_jobs)


def test_jobs_of_the_test_before_are_gone(db: Any, holdfast_jobs: HoldfastJobs) -> None:
    holdfast_jobs.assert_not_recorded()
    works(holdfast_jobs)


class JobsInATestCase(HoldfastJobsMixin, TestCase):
    def test_mixin_works(self) -> None:
        works(self.holdfast_jobs)


class JobsWithCommits(HoldfastJobsMixin, TransactionTestCase):
    def test_mixin_works_with_commits(self) -> None:
        works(self.holdfast_jobs)
