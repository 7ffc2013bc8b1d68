"""Each way to leave in each place a job can stand: no row stays open, and Celery's API says what happened.

All cases of a worker run at once, beside each other's lost children and limits; each is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import NAME, POSITIONS, REPLACEMENT, Case, Sent, cases
from tests.eventually import eventually
from tests.harness import Site, new_site

WORKERS = ["sqlite-prefork", "postgres-prefork", "postgres-threads"]


@pytest.fixture(scope="module", params=WORKERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool, concurrency=4)
        yield site


@pytest.fixture(scope="module")
def sent(site: Site) -> dict[Case, Sent]:
    """Send every case, and wait until nothing moves any more."""
    prefork = "prefork" in site.workers[0].popen.args
    sent = {case: case.send(site) for case in cases(prefork=prefork)}

    def quiet() -> bool:
        assert not site.open_jobs()
        return True

    try:
        eventually(quiet, within=90, every=0.25)
    except AssertionError:  # the case that hangs says so itself
        pass
    return sent


def test_no_row_stays_open(site: Site, sent: dict[Case, Sent]) -> None:
    assert not site.open_jobs()


@pytest.mark.parametrize("case", cases(prefork=True), ids=str)
def test_job_ends_as_its_body_leaves(site: Site, sent: dict[Case, Sent], case: Case) -> None:
    if case not in sent:
        pytest.skip("only a pool of processes can do this")
    ending = case.ending()
    job, name = sent[case].job, sent[case].name
    _, goes_on, tells = POSITIONS[case.position]
    counts = site.effect_counts()

    row = site.jobs(id=job.id)[job.id]
    assert row.id not in site.open_jobs()
    assert job.state == ending.state
    assert _shown(job.result) == _expected(ending.result, name)
    assert counts[f"start {name}"] == ending.starts
    if goes_on:
        assert counts[f"after {name}"] == int(ending.goes_on)
    if tells:
        told = [line for line in counts if line.startswith(f"failed {name} ")]
        assert bool(told) == ending.fails, told
        assert all(counts[line] == 1 for line in told)
    if ending.state == "FAILURE" and ending.starts == 1 and "raise" in case.leaving:
        assert case.task == "leave_silent" or "Traceback" in (job.traceback or "")


def _shown(result: Any) -> Any:
    return type(result).__name__ if isinstance(result, BaseException) else result


def _expected(result: Any, name: str) -> Any:
    if isinstance(result, list):
        return [_expected(item, name) for item in result]
    return {NAME: name, REPLACEMENT: f"replacement of {name}"}.get(result, result)
