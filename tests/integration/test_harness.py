"""The harness itself: a site's worker is real, and what it did is seen from here."""

from __future__ import annotations

import signal

import pytest
from django.db import connections

from tests.harness import new_site


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.short_on("postgres")
def test_job_sent_from_the_test_runs_in_a_real_worker(
    kind: str, request: pytest.FixtureRequest
) -> None:
    with new_site(kind, request) as site:
        worker = site.worker()
        assert len(worker.pids()) >= 2
        sent = site.task("effect").delay("one")
        assert sent.get(timeout=60) == "one"
        site.python("tasks.effect.delay('two')")
        assert set(site.wait_all_final().values()) == {"succeeded"}
        assert site.effects() == ["start one", "end one", "start two", "end two"]

        worker.stop()

        other = site.worker(pool="threads")
        other.signal_group(signal.SIGKILL)
        assert other.wait() != 0


def test_ledger_lies_in_the_kind_of_database_that_was_asked_for(
    ledger: str, ledger_url: str
) -> None:
    assert ledger_url.startswith(connections[ledger].vendor)
