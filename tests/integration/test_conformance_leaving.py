"""Each way to leave in each place a job can stand: no row stays open, and Celery's API says what happened.

All cases of a worker run at once, beside each other's lost children and limits; each is looked at afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance import (
    LIMITS,
    LOST,
    NAME,
    POSITIONS,
    PREFORK_ONLY,
    REPLACEMENT,
    Case,
    Sent,
    cases,
)
from tests.eventually import eventually
from tests.harness import Site, new_site

# Each with the part of the table's diagonals that it runs in short: of so many the one with this number. The first
# three run the whole of the table between them. Solo runs one job after the other, and waits for each that is repeated.
WORKERS = {
    "postgres-prefork": (3, 1),
    "sqlite-prefork": (3, 0),
    "postgres-threads": (3, 2),
    "postgres-gevent": (3, 0),
    "sqlite-solo": (12, 2),
}


def table(worker: str) -> list[Case]:
    """Return the cases that this kind of database and pool can do."""
    database, _, pool = worker.partition("-")
    return cases(prefork=pool == "prefork", sqlite=database == "sqlite")


def is_short(*, worker: str, case: Case | None = None) -> bool:
    """Tell what runs without `soak`: each pair of place and way on one pool at least."""
    if case is None:
        return True
    of, part = WORKERS[worker]
    if case.diagonal() % of == part:
        return True
    # Threads' part of these, and SQLite's of those with limits, which its table is without.
    left = case.diagonal() % 3 == 2 or (case.task == "leave_atomic" and case.leaving in LIMITS)
    return worker == "postgres-prefork" and case.leaving in PREFORK_ONLY and left


@pytest.fixture(scope="module", params=WORKERS)
def worker(request: pytest.FixtureRequest) -> str:
    """The kind of database and the pool."""
    return str(request.param)


@pytest.fixture(scope="module")
def site(worker: str, request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = worker.partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool, concurrency=4)
        yield site


@pytest.fixture(scope="module")
def sent(site: Site, worker: str, request: pytest.FixtureRequest) -> dict[Case, Sent]:
    """Send every case that this run looks at, and wait until nothing moves any more."""
    given = (getattr(item, "callspec", None) for item in request.session.items)
    parameters = [call.params for call in given if call is not None]
    looked_at = {p["case"] for p in parameters if p.get("worker") == worker and "case" in p}
    chosen = [
        case for case in table(worker) if case in looked_at or is_short(worker=worker, case=case)
    ]
    sent = {case: case.send(site) for case in chosen}

    def quiet() -> bool:
        # Whoever waits for a job that is dead is told by a loop, a moment later.
        assert not site.moving_jobs()
        return True

    with contextlib.suppress(AssertionError):  # the case that hangs says so itself
        eventually(quiet, within=300, every=0.25)
    return sent


def test_no_row_stays_open(site: Site, sent: dict[Case, Sent]) -> None:
    assert not site.open_jobs()


@pytest.mark.parametrize("case", cases(prefork=True, sqlite=False), ids=str)
def test_job_ends_as_its_body_leaves(site: Site, sent: dict[Case, Sent], case: Case) -> None:
    if case not in sent:
        pytest.skip("not with this pool or database: see the table")
    ending = case.ending()
    job, name = sent[case].job, sent[case].name
    _, goes_on, tells = POSITIONS[case.position]
    counts = site.effect_counts()

    row = site.jobs(id=job.id)[job.id]
    assert row.id not in site.open_jobs()
    assert job.state == ending.state
    assert _shown(job.result) == _expected(ending.result, name)
    if case.leaving in LOST:
        # A child that dies before its pool has heard of the start is given the same attempt again.
        assert counts[f"start {name}"] >= ending.starts
        assert row.losses == (3 if case.leaving == "lose child always" else 1)
    else:
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
