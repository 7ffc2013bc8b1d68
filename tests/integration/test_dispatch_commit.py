"""A call is recorded in the caller's transaction and published when that commits; a rollback takes it back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from celery import group, signals
from django.db import IntegrityError, connections, transaction
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext

import holdfast
from tests.harness import Site, new_site


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def site(module_site: Site) -> Site:
    """A site without a worker: what was published stays on the broker to be looked at."""
    module_site.empty()
    module_site.redis().flushdb()
    return module_site


@contextmanager
def undone(alias: str) -> Iterator[None]:
    """A transaction that is rolled back at its end."""
    with pytest.raises(LookupError), transaction.atomic(using=alias):  # noqa: PT012
        yield
        raise LookupError


def published(site: Site, queue: str = "celery") -> list[str]:
    """Return the ids on the broker, in the order they are fetched in."""
    keys = [queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9))]
    items: list[Any] = [item for key in keys for item in site.redis().lrange(key, 0, -1)]
    return [json.loads(item)["headers"]["id"] for item in reversed(items)]


def names(site: Site, ids: list[str]) -> list[str]:
    """Return what the jobs with these ids were called with."""
    from holdfast.ledger.reads import queries

    found = []
    for id in ids:
        message = queries.message_of(id)
        assert message is not None
        found.append(json.loads(message[2])[0][0])
    return found


def test_commit_publishes_and_rollback_does_not(site: Site) -> None:
    effect = site.task("effect")
    with transaction.atomic(using=site.alias):
        kept = effect.delay("kept")
        assert published(site) == []
    with undone(site.alias):
        effect.delay("undone")

    assert published(site) == [kept.id]
    assert list(site.states().values()) == ["queued"]


def test_inner_savepoint_takes_back_its_own_calls_only(site: Site) -> None:
    effect = site.task("effect")
    with transaction.atomic(using=site.alias):
        effect.delay("before")
        with undone(site.alias):
            effect.delay("inside")
            with transaction.atomic(using=site.alias):
                effect.delay("deep inside")
        with transaction.atomic(using=site.alias):
            effect.delay("released")
        effect.delay("after")
        assert published(site) == []

    assert names(site, published(site)) == ["before", "released", "after"]
    assert len(site.states()) == 3


def test_outer_rollback_takes_back_what_inner_blocks_released(site: Site) -> None:
    with undone(site.alias), transaction.atomic(using=site.alias):
        site.task("effect").delay("inner")

    assert published(site) == []
    assert site.states() == {}


def test_call_outside_a_transaction_is_published_at_once(site: Site) -> None:
    sent = site.task("effect").delay("at once")

    assert published(site) == [sent.id]


def test_broken_transaction_refuses_the_call_with_djangos_error(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        with (
            pytest.raises(IntegrityError),
            transaction.atomic(using=site.alias, savepoint=False),
        ):
            raise IntegrityError
        with pytest.raises(transaction.TransactionManagementError):
            site.task("effect").delay("never")

    assert site.states() == {}


def test_transaction_with_a_thousand_calls_publishes_them_in_few_round_trips(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        ids = [site.task("noop").delay().id for _ in range(1000)]
        hooks = connections[site.alias].run_on_commit
        assert len(hooks) == 1

    assert published(site) == ids


def test_atomic_request_that_fails_sends_nothing(site: Site) -> None:
    client = Client(raise_request_exception=False)
    settings = connections.settings[site.alias]
    with override_settings(ROOT_URLCONF="tests.project.urls"):
        settings["ATOMIC_REQUESTS"] = True
        try:
            assert client.get("/send/kept/").status_code == 200
            assert client.get("/fail/undone/").status_code == 500
        finally:
            settings["ATOMIC_REQUESTS"] = False

    assert names(site, published(site)) == ["kept"]
    assert len(site.states()) == 1


def test_async_view_sends_in_every_way(site: Site) -> None:
    async def visit() -> int:
        with override_settings(ROOT_URLCONF="tests.project.urls"):
            return (await AsyncClient().get("/async/view/")).status_code

    assert asyncio.run(visit()) == 200
    assert sorted(names(site, published(site))) == [
        "view adelay",
        "view delay",
        "view in a transaction",
    ]


def test_many_calls_leave_from_an_event_loop(site: Site) -> None:
    async def send() -> None:
        site.task("effect").apply_many([("one",), ("two",)])

    asyncio.run(send())
    assert sorted(names(site, published(site))) == ["one", "two"]


def test_transaction_on_another_database_decides_for_the_calls_inside(site: Site) -> None:
    effect = site.task("effect")
    with transaction.atomic(using="other"):
        effect.delay("kept")
        assert site.states() == {}
    with undone("other"):
        effect.delay("undone")

    assert names(site, published(site)) == ["kept"]


def test_transaction_of_the_ledger_decides_where_both_are_open(site: Site) -> None:
    effect = site.task("effect")
    with undone("other"), transaction.atomic(using=site.alias):
        effect.delay("with the ledger")

    assert names(site, published(site)) == ["with the ledger"]


def test_group_in_autocommit_is_recorded_whole_or_not_at_all(site: Site) -> None:
    effect = site.task("effect")
    with pytest.raises(Exception, match="JSON"):
        group([effect.s("good"), effect.s(object())], app=site.app).delay()
    assert site.states() == {}

    with CaptureQueriesContext(connections[site.alias]) as queries:
        group([effect.s(str(i)) for i in range(50)], app=site.app).delay()
    assert len(site.states()) == 50
    assert len(published(site)) == 50
    assert len(queries) <= 60


def test_apply_many_is_one_with_the_transaction_around_it(site: Site) -> None:
    effect = site.task("effect")
    with undone(site.alias):
        effect.apply_many([("a",), ("b",)])
    assert site.states() == {}

    with transaction.atomic(using=site.alias):
        sent = effect.apply_many([("a",), {"name": "b"}, (("c",), {"seconds": 0.0})])
        assert published(site) == []
    assert published(site) == [result.id for result in sent]


def test_apply_many_outside_a_transaction_commits_all_or_none(site: Site) -> None:
    effect = site.task("effect")
    sent = effect.apply_many([(str(i),) for i in range(2500)], queue="other", priority=5)
    assert len(sent) == len(site.states(queue="other", priority=5)) == 2500
    assert len(site.redis().keys("other*")) == 1

    site.empty()
    with pytest.raises(Exception, match="JSON"):
        effect.apply_many([("good",), (object(),)])
    with pytest.raises(TypeError, match=r"written \(value,\)"):
        effect.apply_many(["a single string"])
    with pytest.raises(TypeError):
        effect.apply_many([("good",), ("too", 1.0, "many")])
    assert site.states() == {}
    assert effect.apply_many([]) == []


def test_signatures_of_many_kinds_are_sent_in_one_go(site: Site) -> None:
    effect, add = site.task("effect"), site.task("add")
    with pytest.raises(Exception, match="JSON"):
        holdfast.apply_many([effect.s("good"), effect.s(object())])
    assert site.states() == {}

    sent = holdfast.apply_many([effect.s("a"), add.s(1, 2), effect.s("b").set(countdown=60)])
    assert published(site) == [result.id for result in sent[:2]]
    assert site.states()[sent[2].id] == "held"


def test_threads_send_without_mixing_their_transactions(site: Site) -> None:
    effect = site.task("effect")

    def send(number: int) -> None:
        try:
            if number % 2:
                with transaction.atomic(using=site.alias):
                    effect.delay(f"kept {number}")
            else:
                with undone(site.alias):
                    effect.delay(f"undone {number}")
        finally:
            connections[site.alias].close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(80)))

    assert sorted(names(site, published(site))) == sorted(f"kept {n}" for n in range(1, 80, 2))


def test_publish_signals_are_sent_once_in_the_callers_context(site: Site) -> None:
    seen: list[tuple[str, str]] = []

    def before(sender: str, headers: dict[str, Any], **_: Any) -> None:
        headers["trace"] = "of the caller"
        seen.append(("before", sender))

    def after(sender: str, **_: Any) -> None:
        seen.append(("after", sender))

    name = site.task("effect").name
    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        with transaction.atomic(using=site.alias):
            sent = site.task("effect").delay("traced")
            assert seen == [("before", name), ("after", name)]
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)

    assert seen == [("before", name), ("after", name)]
    from holdfast.ledger.reads import queries

    message = queries.message_of(sent.id)
    assert message is not None
    assert json.loads(message[1])["trace"] == "of the caller"


def test_same_id_twice_is_one_job(site: Site) -> None:
    first = site.task("effect").apply_async(("first",), task_id="order 17")
    second = site.task("effect").apply_async(("second",), task_id="order 17")

    assert first.id == second.id == "order 17"
    assert names(site, published(site)) == ["first"]


def test_eager_call_runs_inline_and_records_nothing(site: Site) -> None:
    site.app.conf.task_always_eager = True
    try:
        sent = site.task("effect").delay("eager")
        assert sent.get() == "eager"
        assert site.task("autoretry").delay("eager retry", 2).get() == "eager retry"
        assert site.task("leave_atomic").delay("return", "eager atomic").get() == "eager atomic"
        assert [r.get() for r in site.task("add").apply_many([(1, 1), (2, 2)])] == [2, 4]
    finally:
        site.app.conf.task_always_eager = False

    assert site.effect_counts()["end eager"] == 1
    assert site.states() == {}
    assert published(site) == []


def test_task_called_as_a_function_is_a_function(site: Site) -> None:
    assert site.task("add")(1, 2) == 3
    assert site.task("leave_atomic")("return", "direct") == "direct"
    assert site.states() == {}


def test_message_on_the_broker_tells_nothing_of_the_arguments(site: Site) -> None:
    site.task("effect").delay("a secret")

    (item,) = site.redis().lrange("celery", 0, -1)
    assert b"secret" not in item
