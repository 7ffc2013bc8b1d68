"""Each way to leave of a coroutine body, on every pool: no row stays open, and Celery's API says what happened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.conformance import ENDINGS, LOST, PREFORK_ONLY, Case, Ending, Sent
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.integration.test_conformance_leaving import _expected, _shown
from tests.project.coroutines import AIO

# What stops a body from outside works where processes are, and where coroutines are the pool's own.
LIMITED = {"soft limit", "soft limit, caught", "hard limit"}
OWN = {
    "cancelled by itself": Ending(
        state="FAILURE", result="BodyCancelled", goes_on=False, fails=True
    )
}
# Each with the third of the table it runs in short; None is the whole of it.
WORKERS = {
    "postgres-custom": None,
    "sqlite-custom": 0,
    "postgres-prefork": 1,
    "sqlite-threads": 2,
    "postgres-gevent": 0,
    "sqlite-solo": 1,
}


def cases(pool: str) -> list[Case]:
    """Return what coroutines can do on a pool."""
    ways = [
        *(way for way in ENDINGS if way not in PREFORK_ONLY),
        *(sorted(LIMITED) if pool in {"custom", "prefork"} else ()),
        *OWN,
    ]
    places = ["linked", "member of a chord"] if pool == "custom" else ["linked"]
    return [Case("leave_async", place, way) for place in places for way in ways]


ALL = cases("custom")


def is_short(*, worker: str, case: Case | None = None) -> bool:
    """Tell what runs without `soak`: the whole table once, and a third of it on each other worker."""
    third = WORKERS[worker]
    return case is None or third is None or ALL.index(case) % 3 == third


@pytest.fixture(scope="module", params=WORKERS)
def worker(request: pytest.FixtureRequest) -> str:
    """The kind of database and the pool."""
    return str(request.param)


@pytest.fixture(scope="module")
def site(worker: str, request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = worker.partition("-")
    with new_site(database, request, environment=AIO) as site:
        site.worker(pool=pool, concurrency=4)
        yield site


@pytest.fixture(scope="module")
def sent(site: Site, worker: str, request: pytest.FixtureRequest) -> dict[Case, Sent]:
    """Send every case that this run looks at, and wait until nothing moves any more."""
    given = (getattr(item, "callspec", None) for item in request.session.items)
    parameters = [call.params for call in given if call is not None]
    looked_at = {p["case"] for p in parameters if p.get("worker") == worker and "case" in p}
    sent = {case: case.send(site) for case in cases(worker.partition("-")[2]) if case in looked_at}

    def quiet() -> bool:
        # Whoever waits for a job that is dead is told by a loop, a moment later.
        assert not site.moving_jobs()
        return True

    with contextlib.suppress(AssertionError):  # the case that hangs says so itself
        eventually(quiet, every=0.25)
    return sent


def test_no_coroutine_leaves_a_row_open(site: Site, sent: dict[Case, Sent]) -> None:
    assert not site.open_jobs()


@pytest.mark.parametrize("case", ALL, ids=str)
def test_job_ends_as_its_coroutine_leaves(site: Site, sent: dict[Case, Sent], case: Case) -> None:
    if case not in sent:
        pytest.skip("not with this pool")
    ending = case.ending() if case.leaving in ENDINGS else OWN[case.leaving]
    job, name = sent[case].job, sent[case].name
    counts = site.effect_counts()

    assert job.state == ending.state
    assert _shown(job.result) == _expected(ending.result, name)
    if case.leaving in LOST:
        assert counts[f"start {name}"] >= ending.starts
    else:
        assert counts[f"start {name}"] == ending.starts
    assert counts[f"after {name}"] == int(ending.goes_on)
    told = [line for line in counts if line.startswith(f"failed {name} ")]
    assert bool(told) == ending.fails, told
    if case.leaving == "raise":
        assert "in leave_async" in (job.traceback or "")
