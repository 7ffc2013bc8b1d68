"""The table of the guide to retries is what happens: each row on real workers, on either pool and database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from celery.result import AsyncResult
from django.db.models import Q
from django.db.models.functions import Now

import holdfast
from holdfast.ledger.models import Job, Payload
from holdfast.ledger.reads.attempts import AttemptRow
from holdfast.ledger.states import CELERY_STATE, State
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.project import retrying
from tests.project.shopping import open_shop
from tests.retry_table import HEADS, WAYS, Row, rows

INCLUDE = f"--include={retrying.__name__}"
SOON = timedelta(minutes=10)


@pytest.fixture(scope="module", params=["postgres-prefork", "sqlite-threads"])
def stage(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kind of database and the pool."""
    database, _, pool = str(request.param).partition("-")
    return database, pool


@pytest.fixture(scope="module")
def site(stage: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(stage[0], request) as site:
        site.worker(INCLUDE, pool=stage[1], concurrency=4)
        yield site


@pytest.fixture(scope="module")
def left(site: Site, stage: tuple[str, str]) -> dict[str, AsyncResult]:
    """Let attempts leave in every way, beside each other, until nothing moves any more."""
    ways = {name: way for name, way in WAYS.items() if stage[1] == "prefork" or not way.processes}
    callback = site.app.tasks[retrying.told.name]
    sent = {
        name: site.app.tasks[way.task.name].apply_async(
            (way.how,), link_error=callback.s(), **way.options
        )
        for name, way in ways.items()
    }
    cancelled = sent["is cancelled while it runs"]
    eventually(lambda: f"waits {cancelled.id}" in site.effects(), told="it runs")
    holdfast.cancel(cancelled)
    # A thread is not stopped: its end is refused.
    Path(f"{site.effects_file}.go").touch()

    def quiet() -> bool:
        moving = Q(state__in=[State.QUEUED, State.RUNNING]) | Q(unsettled=True)
        due = Q(state=State.HELD, due_at__lt=Now() + SOON)
        found = Job.objects.using(site.alias).filter(moving | due).values_list("id", "state")
        assert not list(found), f"{list(found)}\n{site.log_tails()}"
        return True

    eventually(quiet, every=0.1)
    return sent


@pytest.mark.parametrize("name", WAYS)
def test_job_is_as_the_table_of_the_guide_says(
    site: Site, left: dict[str, AsyncResult], name: str
) -> None:
    if name not in left:
        pytest.skip("a thread cannot be ended from outside")
    assert seen(site, name, left[name]) == rows()[name]


def seen(site: Site, name: str, result: AsyncResult) -> Row:
    """Put into the words of the table what has become of a job."""
    again = WAYS[name].again
    row = site.jobs(id=result.id)[result.id]
    attempts = holdfast.attempts(result)
    which = attempts[0] if again else attempts[-1]
    if again:
        assert [attempt.outcome for attempt in attempts[1:]] == ["succeeded"], "it ran again"
    lines = site.effect_counts()
    hooks = []
    for hook in retrying.HOOKS:
        calls = [lines[f"{hook} {result.id} {n}"] for n in range(1, which.number + 1)]
        assert max(calls) <= 1, f"{hook} was called twice for one attempt"
        hooks += [f"`{hook}`"] if any(calls) else []
    told = lines[f"told {result.id}"]
    assert told <= 1
    cells = (
        name,
        "queued" if again else place(row),
        f"`{CELERY_STATE[State.QUEUED] if again else result.state}`",
        counted(site, row),
        ", ".join(hooks) or "none",
        "yes" if told else "no",
        kept(which),
    )
    return dict(zip(HEADS, cells, strict=True))


def place(row: Job) -> str:
    more = row.hold or row.reason
    return State(row.state).name.lower() + (f", `{more}`" if more else "")


def counted(site: Site, row: Job) -> str:
    headers = json.loads(Payload.objects.using(site.alias).get(job=row.id).headers)
    counts = {"failures": row.failures, "retries": headers.get("retries", 0), "losses": row.losses}
    return ", ".join(f"{name} {n}" for name, n in counts.items() if n) or "nothing"


def kept(attempt: AttemptRow) -> str:
    parts = {"error": attempt.error, "traceback": attempt.traceback, "log": attempt.log}
    assert len(attempt.log) in {0, 2}, "one of each logger, and nothing of Celery's own"
    assert all("begun" in line for line in attempt.log)
    return f"`{attempt.outcome}`: " + (", ".join(k for k, v in parts.items() if v) or "no more")


def test_refusals_of_a_shop_are_waited_for_by_a_worker(site: Site) -> None:
    task = site.app.tasks[retrying.fetch.name]
    refused = (429, {"Retry-After": "1"}), (503, {"Retry-After": "bad"})
    with open_shop(*refused) as shop:
        sent = task.delay(shop.url)
        assert sent.get(timeout=60) == 200
        assert shop.asked == 3
    first, second, _ = holdfast.attempts(sent)
    assert first.ended_at is not None
    assert second.started_at is not None
    # SQLite's clock has milliseconds.
    assert second.started_at - first.ended_at >= timedelta(seconds=1) - timedelta(milliseconds=2)
