"""Pools that follow what waits in the ledger, and the figures for whatever starts and ends workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from holdfast.ledger import transitions
from holdfast.ledger.models import Job, Worker
from holdfast.ledger.reads.depth import Depth, depth
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.processes import WorkerProcess
from tests.project.coroutines import AIO
from tests.rows import hire, new_job

QUICK = {
    "autoscale_levels": "[[2, 1], [4, 2], [8, 4]]",
    "autoscale_cooldown_seconds": "0.5",
    "autoscale_wait_seconds": "600",
}


def is_short(site: str = "", pool: str = "", **_: Any) -> bool:
    """Tell which run in `make test`: each pool on PostgreSQL, prefork on SQLite as well."""
    return site != "sqlite" or pool in {"", "prefork"}


def record(queue: str, count: int, **more: Any) -> None:
    transitions.record([new_job(queue=queue, **more) for _ in range(count)])


def command(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", "depth", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


# -- what is asked -------------------------------------------------------------------------------------


def test_depth_is_that_of_the_queues_asked_for_and_ends_where_it_makes_no_difference(
    ledger: str,
) -> None:
    assert depth(["mail", "reports"], most=501) == Depth(0, 0.0)
    record("mail", 3)
    record("mail", 2, priority=9)
    record("reports", 4)
    record("elsewhere", 7)
    record("mail", 1, delay_seconds=60.0)
    Job.objects.using(ledger).filter(queue="mail", priority=9).update(
        published_at=Now() - timedelta(seconds=90)
    )
    found = depth(["reports", "mail"], most=501)
    assert found.waiting == 9
    assert found.oldest_seconds == pytest.approx(90, abs=30)
    assert depth(["reports", "mail", "elsewhere"], most=6).waiting == 6


def test_look_is_a_statement_for_each_queue_and_none_once_enough_was_found(ledger: str) -> None:
    record("a", 3)
    record("b", 3)
    with CaptureQueriesContext(connections[ledger]) as asked:
        depth(["a", "b", "c"], most=501)
    assert len(asked) == 3
    with CaptureQueriesContext(connections[ledger]) as asked:
        depth(["a", "b", "c"], most=3)
    assert len(asked) == 1


def test_command_tells_what_waits_and_how_many_workers_it_asks_for(ledger: str) -> None:
    hire()  # serves q
    record("q", 3)
    record("mail", 250)
    Job.objects.using(ledger).filter(queue="q").update(published_at=Now() - timedelta(seconds=90))
    table = command().splitlines()
    assert [line.split()[0] for line in table] == ["queue", "mail", "q"]
    told = json.loads(command("--json"))
    assert told["desired_workers"] == 5
    assert (
        told["queues"]["mail"] | {"waiting": 250, "workers": [], "desired_workers": 3}
        == (told["queues"]["mail"])
    )
    assert told["queues"]["q"]["workers"] == ["w"]
    assert command("--desired", "mail") == "3\n"
    assert command("--desired", "mail", "mail", "none") == "5\n"
    with pytest.raises(CommandError, match="two ways"):
        command("--desired", "--json")


# -- real workers --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def clean(site: Site) -> Iterator[Site]:
    site.empty()
    yield site
    site.kill_workers()


def autoscaled(site: Site, *, pool: str) -> WorkerProcess:
    environment = AIO | {f"HOLDFAST_{key.upper()}": value for key, value in QUICK.items()}
    return site.worker("--autoscale=4,1", pool=pool, environment=environment)


def slots(site: Site, worker: WorkerProcess) -> int:
    row = Worker.objects.using(site.alias).get(pid=worker.pid, lost_at=None)
    return row.concurrency


def await_slots(site: Site, worker: WorkerProcess, wanted: int) -> None:
    eventually(
        lambda: slots(site, worker) == wanted,
        told=f"the ledger says that it has {wanted} slots\n{worker.log_tail(40)}",
    )


def await_changes(worker: WorkerProcess, line: str, times: int) -> None:
    eventually(
        lambda: worker.log_text().count(line) >= times,
        told=f"{line!r}, {times} times\n{worker.log_tail(40)}",
    )


def at_once(site: Site) -> int:
    """Return how many bodies have run at the same time at most."""
    most = now = 0
    for line in site.effects():
        now += {"start": 1, "end": -1}[line.split()[0]]
        most = max(most, now)
    return most


@pytest.mark.parametrize("pool", ["prefork", "threads", "custom", "gevent"])
def test_pool_grows_with_what_waits_and_shrinks_around_what_runs(
    clean: Site, pool: str, tmp_path: Path
) -> None:
    worker = autoscaled(clean, pool=pool)
    gates = [tmp_path / name for name in ("long", "first", "second")]
    waits = clean.task("wait_for_file")
    assert slots(clean, worker) == 1

    long = waits.delay(str(gates[0]), "long")
    clean.await_effect("start long")
    waits.apply_many([(str(gates[1]), f"first {n}") for n in range(12)])
    await_slots(clean, worker, 4)
    eventually(lambda: len(clean.effects()) == 4, told="four run at once")

    gates[1].touch()
    eventually(lambda: len(clean.open_jobs()) == 1, told="all but the long one are over")
    await_slots(clean, worker, 1)
    assert clean.states()[long.id] == "running"

    # One slot is one at a time, however many threads there have been.
    gates[0].touch()
    clean.wait_all_final()
    clean.effects_file.write_text("")
    clean.task("effect").apply_many([(f"short {n}", 0.02) for n in range(2)])
    clean.wait_all_final()
    assert at_once(clean) == 1

    clean.effects_file.write_text("")
    waits.apply_many([(str(gates[2]), f"second {n}") for n in range(12)])
    await_slots(clean, worker, 4)
    eventually(lambda: len(clean.effects()) == 4, told="and again")
    gates[2].touch()
    clean.wait_all_final()
    assert at_once(clean) == 4
    rows = Job.objects.using(clean.alias).values_list("attempts", "failures", "losses")
    assert set(rows) == {(1, 0, 0)}
    worker.stop()


@pytest.mark.short_on("postgres")
def test_processes_that_come_and_go_while_jobs_run_lose_none_of_them(clean: Site) -> None:
    worker = autoscaled(clean, pool="prefork")
    sent = 0
    for turn in (1, 2):
        clean.task("effect").apply_many([(f"job {sent + n}", 0.03) for n in range(120)])
        sent += 120
        # By its log: the row of the worker may be written when the pool has another size again.
        for size in (4, 1):
            await_changes(worker, f" to {size} slots: ", turn)
    clean.wait_all_final()
    assert clean.counts() == {"succeeded": sent}
    rows = Job.objects.using(clean.alias).values_list("attempts", "failures", "losses")
    assert set(rows) == {(1, 0, 0)}
    assert max(clean.effect_counts().values()) == 1
    worker.stop()
