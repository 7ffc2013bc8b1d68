"""Each way to send runs once, says what Celery's API says elsewhere, and leaves no row open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import chain, chord, group
from celery.result import AsyncResult

import holdfast
from tests.eventually import eventually
from tests.harness import Site, new_site

pytestmark = pytest.mark.short_on(
    "postgres-prefork", "postgres-threads", "sqlite-gevent", "sqlite-solo"
)

WORKERS = [
    "sqlite-prefork",
    "postgres-prefork",
    "postgres-threads",
    "postgres-gevent",
    "sqlite-gevent",
    "sqlite-solo",
]


@pytest.fixture(scope="module", params=WORKERS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    database, _, pool = str(request.param).partition("-")
    with new_site(database, request) as site:
        site.worker(pool=pool, queues="celery,other")
        yield site


@pytest.fixture(autouse=True)
def nothing_is_left_open(site: Site) -> Iterator[None]:
    yield
    site.wait_all_final()


def _soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


# Each sends `effect` once under the name it is given.
SINGLE: dict[str, Callable[[Site, str], AsyncResult[Any]]] = {
    "delay": lambda site, name: site.task("effect").delay(name),
    "countdown": lambda site, name: site.task("effect").apply_async((name,), countdown=0.4),
    "eta": lambda site, name: site.task("effect").apply_async((name,), eta=_soon(0.4)),
    "expires": lambda site, name: site.task("effect").apply_async((name,), expires=60),
    "expires at": lambda site, name: site.task("effect").apply_async((name,), expires=_soon(60)),
    "queue": lambda site, name: site.task("effect").apply_async((name,), queue="other"),
    "routing key": lambda site, name: site.task("effect").apply_async(
        (name,), routing_key="celery"
    ),
    "priority": lambda site, name: site.task("effect").apply_async((name,), priority=9),
    "headers": lambda site, name: site.task("effect").apply_async((name,), headers={"a": "b"}),
    "serializer": lambda site, name: site.task("effect").apply_async((name,), serializer="json"),
    "gzip": lambda site, name: site.task("effect").apply_async((name,), compression="gzip"),
    "bzip2": lambda site, name: site.task("effect").apply_async((name,), compression="bzip2"),
    "limits": lambda site, name: site.task("effect").apply_async(
        (name,), soft_time_limit=20, time_limit=30
    ),
    "shadow": lambda site, name: site.task("effect").apply_async((name,), shadow="other.name"),
    "id of one's own": lambda site, name: site.task("effect").apply_async(
        (name,), task_id=f"order 17/{name}"
    ),
    "kwargs": lambda site, name: site.task("effect").apply_async(kwargs={"name": name}),
    "link list": lambda site, name: site.task("effect").apply_async(
        (name,), link=[site.task("collect").s(), site.task("collect").s()]
    ),
    "retry policy": lambda site, name: site.task("effect").apply_async(
        (name,), retry=True, retry_policy={"max_retries": 2}
    ),
    "send_task": lambda site, name: site.app.send_task("tests.project.tasks.effect", (name,)),
    "signature": lambda site, name: site.task("effect").s(name).delay(),
    "signature with options": lambda site, name: (
        site.task("effect").s(name).set(queue="other", countdown=0.1).apply_async()
    ),
    "app.signature": lambda site, name: site.app.signature(
        "tests.project.tasks.effect", args=(name,)
    ).delay(),
    "chain of one": lambda site, name: chain(site.task("effect").s(name), app=site.app)(),
    "chain": lambda site, name: chain(
        site.task("add").s(1, 1), site.task("effect").si(name), app=site.app
    ).delay(),
    "partial chord body": lambda site, name: chord(
        [site.task("add").s(1, 1), site.task("add").s(2, 2)], app=site.app
    )(site.task("effect").si(name)),
    "apply_many": lambda site, name: site.task("effect").apply_many([(name,)])[0],
    "holdfast.apply_many": lambda site, name: holdfast.apply_many([site.task("effect").s(name)])[0],
    "replacement": lambda site, name: site.task("become").delay(dict(site.task("effect").s(name))),
}


@pytest.mark.parametrize("way", sorted(SINGLE))
def test_job_sent_in_any_way_runs_once(site: Site, way: str) -> None:
    sent = SINGLE[way](site, way)

    assert sent.get(timeout=60) == way
    assert sent.state == "SUCCESS"
    assert sent.id in site.states()
    assert site.effect_counts()[f"end {way}"] == 1


def test_job_without_a_result_is_shown_as_done(site: Site) -> None:
    sent = site.task("effect").apply_async(("silent",), ignore_result=True)

    eventually(lambda: site.states().get(sent.id) == "succeeded")
    # An EagerResult-like shortcut of Celery: it does not wait for a job sent so.
    assert site.result(sent.id).state == "SUCCESS"
    assert site.result(sent.id).result is None


def test_body_sees_how_it_was_called(site: Site) -> None:
    sent = site.task("facts").apply_async(
        queue="other", priority=7, shadow="shown", soft_time_limit=20, time_limit=30
    )

    assert sent.get(timeout=60) == {
        "id": sent.id,
        "queue": "other",
        "priority": 7,
        "shadow": "shown",
        "timelimit": [30, 20],
        "ignore_result": False,
        "parent": None,
        "root": sent.id,
    }


def test_chain_hands_results_on_and_knows_its_parents(site: Site) -> None:
    add = site.task("add")
    last = chain(add.s(1, 2), add.s(3), add.s(4), app=site.app).delay()

    assert last.get(timeout=60) == 10
    assert last.parent.get(timeout=60) == 6
    assert last.parent.parent.get(timeout=60) == 3
    first = site.result(last.parent.parent.id)
    assert [child.id for child in first.children] == [last.parent.id]
    rows = site.jobs(root_id=first.id)
    assert {rows[id].parent_id for id in rows} == {None, first.id, last.parent.id}


def test_group_gives_all_results_in_order(site: Site) -> None:
    sent = group([site.task("add").s(i, i) for i in range(10)], app=site.app).delay()

    assert sent.get(timeout=60) == [2 * i for i in range(10)]
    assert sent.join(timeout=5) == sent.join_native(timeout=5)
    assert sent.completed_count() == 10
    assert sent.successful()


def test_chord_body_gets_the_results_in_order_of_its_header(site: Site) -> None:
    header = [site.task("add").s(i, 0) for i in range(12)]
    assert chord(header, site.task("collect").s(), app=site.app).delay().get(timeout=60) == list(
        range(12)
    )


def test_empty_chord_runs_its_body(site: Site) -> None:
    assert chord([], site.task("collect").s(), app=site.app).delay().get(timeout=60) == []


def test_map_starmap_and_chunks(site: Site) -> None:
    add = site.task("add")
    pairs = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]

    assert add.starmap(pairs).delay().get(timeout=60) == [2, 4, 6, 8, 10]
    assert site.task("collect").map([7, 8]).delay().get(timeout=60) == [7, 8]
    assert add.chunks(pairs, 2).group().delay().get(timeout=60) == [[2, 4], [6, 8], [10]]
    assert add.chunks(pairs, 3)().get(timeout=60) == [[2, 4, 6], [8, 10]]


def test_nested_canvas_gives_what_celery_gives(site: Site) -> None:
    add, total, collect = site.task("add"), site.task("total"), site.task("collect")
    app = site.app

    group_then_step = chain(group(add.s(1, 1), add.s(2, 2), app=app), total.s(), app=app)
    assert group_then_step.delay().get(timeout=60) == 6
    step_then_group = chain(add.s(1, 1), group(add.s(1), add.s(2), app=app), app=app)
    assert step_then_group.delay().get(timeout=60) == [3, 4]
    two_chords = chain(
        group(add.s(1, 1), add.s(2, 2), app=app),
        group(collect.s(), total.s(), app=app),
        collect.s(),
        app=app,
    )
    assert two_chords.delay().get(timeout=60) == [[2, 4], 6]
    inner = chord([add.s(1, 1), add.s(2, 2)], total.s(), app=app)
    outer = chord([inner, chain(add.s(3, 3), add.s(4), app=app)], collect.s(), app=app)
    assert outer.delay().get(timeout=60) == [6, 10]
    deep = group(group(add.s(1, 1), group(add.s(2, 2), app=app), app=app), app=app)
    assert chord(deep, collect.s(), app=app).delay().get(timeout=60) == [2, 4]


def test_chord_of_a_hundred_members_runs_its_body_once(site: Site) -> None:
    header = [site.task("add").s(i, 1) for i in range(100)]
    body = chain(site.task("total").s(), site.task("after").s("hundred"), app=site.app)

    assert chord(header, body, app=site.app).delay().get(timeout=60) == "after hundred"
    assert site.effect_counts()["after hundred"] == 1


def test_add_to_chord_makes_the_body_wait_for_one_more(site: Site) -> None:
    header = [site.task("add_another").s(3), site.task("add").s(1, 1)]
    sent = chord(header, site.task("collect").s(), app=site.app).delay()

    assert sorted(sent.get(timeout=60)) == [2, 3, 6]


def test_autoretry_runs_until_it_succeeds_or_may_not_retry_again(site: Site) -> None:
    assert site.task("autoretry").delay("third time", 2).get(timeout=60) == "third time"
    assert site.effect_counts()["start third time"] == 3

    failing = site.task("autoretry").delay("never", 9)
    with pytest.raises(ValueError, match="never"):
        failing.get(timeout=60)
    assert site.effect_counts()["start never"] == 3
    assert site.jobs()[failing.id].failures == 3


def test_children_of_a_job_are_jobs_of_its_own(site: Site) -> None:
    sent = site.task("send_then").delay("return", "parent")

    assert sent.get(timeout=60) == "parent"
    (child,) = site.result(sent.id).children
    assert child.get(timeout=60) == "child of parent"
    assert site.jobs()[child.id].parent_id == sent.id


def test_failing_body_keeps_what_it_sent_unless_it_is_atomic(site: Site) -> None:
    site.task("send_then").delay("raise", "plain parent").get(timeout=60, propagate=False)
    atomic = site.task("send_then_atomic").delay("raise", "atomic parent")
    assert isinstance(atomic.get(timeout=60, propagate=False), ValueError)
    site.wait_all_final()

    assert site.effect_counts()["end child of plain parent"] == 1
    assert site.effect_counts()["end child of atomic parent"] == 0


def test_job_that_is_not_durable_is_plain_celery(site: Site) -> None:
    before = len(site.states())
    site.task("leave_plain").delay("return", "by task option")
    site.task("effect").apply_async(("by call option",), durable=False)

    eventually(lambda: site.effect_counts()["end by call option"] == 1)
    eventually(lambda: site.effect_counts()["start by task option"] == 1)
    assert len(site.states()) == before


def test_expired_job_never_starts(site: Site) -> None:
    sent = site.task("effect").apply_async(("too late",), expires=0.2, countdown=0.8)

    with pytest.raises(Exception, match="expired"):
        sent.get(timeout=60)
    assert site.states()[sent.id] == "expired"
    assert site.effect_counts()["start too late"] == 0


@pytest.mark.short_on("postgres-prefork", "sqlite-solo")
def test_job_due_in_a_month_costs_the_worker_nothing(site: Site) -> None:
    sent = site.task("effect").apply_async(("in a month",), countdown=30 * 86400)

    assert site.task("add").delay(1, 1).get(timeout=60) == 2
    assert site.states()[sent.id] == "held"
    assert sent.id not in site.app.control.inspect(timeout=1).scheduled().__repr__()
    sent.revoke()
    assert site.states()[sent.id] == "cancelled"
    assert site.result(sent.id).state == "REVOKED"


@pytest.mark.short_on("postgres-prefork", "sqlite-solo")
def test_beat_sends_through_the_ledger(site: Site) -> None:
    beat = site.beat()
    try:
        eventually(lambda: site.effect_counts()["end tick"] >= 2)
    finally:
        beat.stop()
    site.wait_all_final()

    ticks = site.effect_counts()["end tick"]
    assert len(site.states(task="tests.project.tasks.effect", queue="celery")) >= ticks
