"""Redis killed, cut off, wiped, storming: it carries messages and holds no truth (P1, P5, P9, P10)."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from holdfast.broker.transport import LOOK_SECONDS, OVERDUE_SECONDS
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.testing.services import Mode
from holdfast.tickets import HEADER
from tests.chaos import judge, tasks
from tests.chaos.conftest import Tell
from tests.chaos.ground import Ground, every, lasting
from tests.eventually import eventually

FIRST_CALL = 1.0
LATER_CALLS = 0.05
# Each call commits, and the disk may hold up a few of hundreds; calls that asked the broker would be many.
HICCUPS = 3
PUBLISHED_AFTER = 10.0
# The server's own answer, the patience with it and the pause between two looks, and the job itself.
HALF_OPEN = 1 + OVERDUE_SECONDS + LOOK_SECONDS + 5

PRODUCER = """
import time
path, stop = sys.argv[1:3]
tasks.quick.delay()
with open(path, "a", buffering=1) as calls:
    while not os.path.exists(stop):
        began, at = time.perf_counter(), time.time()
        committed(tasks.quick.delay())
        calls.write(f"{at} {time.perf_counter() - began}\\n")
        time.sleep(0.01)
"""

CRASHING_PRODUCER = """
from uuid import uuid4
from django.db import transaction
class Sent:
    id = str(uuid4())
tasks.quick.delay()
open(sys.argv[1], "w").close()
while not os.path.exists(sys.argv[2]):
    time.sleep(0.005)
with transaction.atomic():
    # Registered before the publication: the journal tells of the commit, the message is not out yet.
    transaction.on_commit(lambda: committed(Sent))
    tasks.quick.apply_async(task_id=Sent.id)
time.sleep(60)
"""


@pytest.mark.short_on("postgres")
def test_wiped_broker_loses_none_of_a_thousand_queued_jobs(on_both: Ground, tell: Tell) -> None:
    sent = [r.id for r in on_both.task(tasks.quick).apply_many([()] * 1000)]
    on_both.worker(concurrency=2)
    eventually(lambda: len(judge.runs(on_both.site)) >= 100)

    on_both.site.redis().flushall()
    wiped = time.monotonic()

    on_both.settle()
    took = time.monotonic() - wiped
    found = on_both.judge(sent)
    assert found.repeated == 0
    tell(found, faults=1, more=f"all done {took:.1f} s after FLUSHALL")


@pytest.mark.alone
@pytest.mark.parametrize("how", ["killed", "silent"])
@pytest.mark.parametrize("seconds", [5, pytest.param(20, marks=pytest.mark.soak)])
def test_dispatch_goes_on_while_redis_is_away(
    how: str, seconds: float, on_postgres: Ground, tell: Tell
) -> None:
    on_postgres.worker(concurrency=2)
    calls, stop = (on_postgres.site.directory / name for name in ("calls.txt", "stop"))
    producers = [on_postgres.producer(PRODUCER, str(calls), str(stop)) for _ in range(2)]
    eventually(lambda: len(on_postgres.committed()) > 200)

    away = time.time()
    if how == "killed":
        on_postgres.redis.kill()
    else:
        on_postgres.broker.switch(Mode.BLACKHOLE)
    lasting(seconds)
    if how == "killed":
        on_postgres.redis.start()
    else:
        on_postgres.broker.switch(Mode.PASS)
    back = time.time()
    eventually(
        lambda: not _unpublished(on_postgres, before=back), within=PUBLISHED_AFTER, told="published"
    )
    published = time.time() - back
    stop.touch()
    for producer in producers:
        assert producer.wait() == 0, producer.log_tail()

    on_postgres.settle()
    usual, first, later = _slowest(calls, away=away, back=back, producers=len(producers))
    tell(
        on_postgres.judge(on_postgres.committed()),
        faults=1,
        more=f"calls: {usual * 1e3:.0f} ms at worst before, first ones {first:.2f} s, later ones "
        f"{later * 1e3:.0f} ms; all published {published:.1f} s after its return",
    )
    assert first <= FIRST_CALL
    assert later <= usual + LATER_CALLS


def _unpublished(ground: Ground, *, before: float) -> bool:
    """Tell whether a job recorded before a moment is neither on the broker, by its own word, nor taken from it."""
    rows = Job.objects.using(ground.site.alias).filter(state__in=[State.HELD, State.QUEUED])
    waiting = [job for job in rows if job.recorded_at.timestamp() < before]
    heads = (json.loads(item)["headers"] for item in ground.site.redis().lrange("celery", 0, -1))
    present = {(head["id"], head[HEADER]["token"]) for head in heads}
    return any((job.id, job.token) not in present for job in waiting)


def _slowest(
    calls: Path, *, away: float, back: float, producers: int
) -> tuple[float, float, float]:
    """Return the slowest call before the fault, of the first ones in it, and of all others in it but a few."""
    took = [tuple(map(float, line.split())) for line in calls.read_text().splitlines()]
    before = [seconds for at, seconds in took if at + seconds < away]
    during = sorted(seconds for at, seconds in took if away <= at + seconds and at < back)
    return max(before), during[-1], during[-1 - producers - HICCUPS]


def await_commits(ground: Ground, least: int) -> None:
    """Wait until producers have told of so many commits, and not a moment longer."""
    eventually(lambda: len(ground.committed()) >= least, every=0.001)


def test_producer_killed_between_commit_and_publication_loses_nothing(
    on_both: Ground, tell: Tell
) -> None:
    ready, go = (
        [on_both.site.directory / f"{what}{n}" for n in range(3)] for what in ("ready", "go")
    )
    files = list(zip(ready, go, strict=True))
    producers = [on_both.producer(CRASHING_PRODUCER, *map(str, pair)) for pair in files]
    eventually(lambda: all(path.exists() for path in ready))
    on_both.broker.switch(Mode.BLACKHOLE)
    for number, producer in enumerate(producers, start=1):
        go[number - 1].touch()
        await_commits(on_both, number)
        with on_both.harming("kill producer", producer.pid):
            producer.kill()
    # What was on its way is dropped with the connection, not delivered late.
    on_both.broker.switch(Mode.RESET)
    on_both.broker.switch(Mode.PASS)

    on_both.worker()

    on_both.settle()
    tell(on_both.judge(on_both.committed()), faults=3)


def test_reconnect_storm_runs_no_job_twice(on_postgres: Ground, tell: Tell) -> None:
    on_postgres.worker(concurrency=2)
    task = on_postgres.task(tasks.work)
    sent: list[str] = []
    broker = on_postgres.site.redis()
    storms = 0
    for _ in every(0.2, during=6):
        sent += [task.delay(0.05).id for _ in range(8)]
        broker.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        storms += 1

    on_postgres.settle(60)
    found = on_postgres.judge(sent)
    tell(found, faults=storms)
    assert found.repeated == 0


def test_job_longer_than_visibility_timeout_and_lease_runs_once(
    on_postgres: Ground, tell: Tell
) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.chaos.short_visibility"}
    for _ in range(2):
        on_postgres.worker(environment=environment)

    sent = [r.id for r in on_postgres.task(tasks.work).apply_many([(on_postgres.lease * 1.7,)] * 4)]

    on_postgres.settle()
    found = on_postgres.judge(sent)
    tell(found, faults=0)
    assert found.repeated == 0
    assert not judge.losses(on_postgres.site)


def test_healthy_backlog_is_never_doubled(on_postgres: Ground, tell: Tell) -> None:
    sent = [r.id for r in on_postgres.task(tasks.work).apply_many([(0.04,)] * 5000)]
    worker = on_postgres.worker(concurrency=2)
    # Several sweeps beyond the age at which a queued job is looked for.
    lasting(on_postgres.site.holdfast["grace_seconds"] + 8 * 0.5)

    waiting = Job.objects.using(on_postgres.site.alias).filter(state=State.QUEUED)
    doubled = waiting.exclude(token=1).count()
    left = waiting.count()
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert "jobs again" not in worker.log_text()
    assert doubled == 0
    on_postgres.site.app.control.revoke(sent)
    on_postgres.settle()
    found = on_postgres.judge(sent)
    tell(
        found, faults=0, more=f"{left} still queued after several looks, {doubled} published twice"
    )
    assert found.repeated == 0


@pytest.mark.short_on("sqlite")
def test_unknown_task_and_unreadable_body_end_as_dead_with_the_reason(
    on_both: Ground, tell: Tell
) -> None:
    unreadable = on_both.task(tasks.work).delay().id
    on_both.write("UPDATE holdfast_payload SET body = %s WHERE job = %s", [b"{broken", unreadable])
    on_both.worker()
    rows = on_both.site.jobs
    eventually(lambda: rows()[unreadable].state == State.DEAD)
    assert rows()[unreadable].reason == "undecodable"

    on_both.site.kill_workers()
    on_both.site.worker(environment=on_both.environment)
    unknown = on_both.task(tasks.work).delay().id
    neighbour = on_both.site.task("add").delay(1, 2).id
    on_both.settle()
    assert rows()[unknown].reason == "unknown task"
    assert rows()[neighbour].state == State.SUCCEEDED
    tell(on_both.judge([unreadable, unknown]), faults=2)


@pytest.mark.short_on("postgres")
def test_redis_that_comes_and_goes_under_load_loses_nothing(on_both: Ground, tell: Tell) -> None:
    on_both.worker(concurrency=2)
    sent: list[str] = []
    over = threading.Event()

    def flicker() -> None:
        modes = [Mode.RESET, Mode.PASS, Mode.HALF, Mode.PASS, Mode.REFUSE, Mode.PASS]
        while not over.is_set():
            for mode in modes:
                on_both.broker.switch(mode)
                over.wait(0.4)
        on_both.broker.switch(Mode.PASS)

    storm = threading.Thread(target=flicker)
    storm.start()
    for _ in every(0.05, during=6):
        sent += [on_both.task(tasks.quick).delay().id, on_both.task(tasks.atomic_work).delay().id]
    over.set()
    storm.join()

    on_both.settle()
    tell(on_both.judge(sent), faults=15)


def test_worker_on_half_open_connections_takes_jobs_again(on_sqlite: Ground, tell: Tell) -> None:
    """Nobody says that the far end is gone: by kombu's own look the worker would stand still for up to 51 s."""
    on_sqlite.worker(concurrency=1)
    sent = [on_sqlite.task(tasks.quick).delay().id]
    on_sqlite.settle()

    on_sqlite.broker.strand()
    since = time.monotonic()
    sent.append(on_sqlite.task(tasks.quick).delay().id)
    on_sqlite.settle()

    took = time.monotonic() - since
    tell(on_sqlite.judge(sent), faults=1, recovery=took, bound=HALF_OPEN)
