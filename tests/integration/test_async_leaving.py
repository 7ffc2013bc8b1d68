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
WORKERS = [
    "sqlite-custom",
    "postgres-custom",
    "postgres-prefork",
    "sqlite-threads",
    "postgres-gevent",
    "sqlite-solo",
]


@pytest.fixture(scope="module", params=WORKERS)
def stage(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kind of database and the pool."""
    database, _, pool = str(request.param).partition("-")
    return database, pool


@pytest.fixture(scope="module")
def site(stage: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Site]:
    database, pool = stage
    with new_site(database, request, environment=AIO) as site:
        site.worker(pool=pool, concurrency=4)
        yield site


def cases(pool: str) -> list[Case]:
    ways = [
        *(way for way in ENDINGS if way not in PREFORK_ONLY),
        *(LIMITED if pool in {"custom", "prefork"} else ()),
        *OWN,
    ]
    places = ["linked", "member of a chord"] if pool == "custom" else ["linked"]
    return [Case("leave_async", place, way) for place in places for way in ways]


@pytest.fixture(scope="module")
def sent(site: Site, stage: tuple[str, str]) -> dict[Case, Sent]:
    """Send every case, and wait until nothing moves any more."""
    sent = {case: case.send(site) for case in cases(stage[1])}

    def quiet() -> bool:
        assert not site.open_jobs()
        return True

    with contextlib.suppress(AssertionError):  # the case that hangs says so itself
        eventually(quiet, within=60, every=0.25)
    return sent


def test_no_coroutine_leaves_a_row_open(site: Site, sent: dict[Case, Sent]) -> None:
    assert not site.open_jobs()


@pytest.mark.parametrize("case", cases("custom"), ids=str)
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
