"""Plain calls reach the database and the broker over connections that are used directly: what may befall those."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from redis.exceptions import ResponseError

from holdfast.broker.publisher import Publisher
from holdfast.broker.pushing import Pusher
from holdfast.tickets import Ticket
from tests.eventually import eventually
from tests.harness import Site, new_site

SENDERS = 16


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def site(module_site: Site) -> Site:
    """A site without a worker, whose task has been called before."""
    module_site.task("effect").delay("first")
    module_site.empty()
    module_site.redis().flushdb()
    eventually(lambda: module_site.app.outbox.publisher.available, within=10)
    return module_site


def only_on_postgres(site: Site) -> None:
    if connections[site.alias].vendor != "postgresql":
        pytest.skip("SQLite has no sessions")


def execute(site: Site, statement: str) -> Any:
    with connections[site.alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def published(site: Site) -> list[str]:
    items: list[Any] = site.redis().lrange("celery", 0, -1)
    return [json.loads(item)["headers"]["id"] for item in reversed(items)]


def test_plain_call_is_recorded_like_any_other(site: Site) -> None:
    effect = site.task("effect")
    short, long = effect.delay("one"), effect.apply_async(("one",), headers={})
    with transaction.atomic(using=site.alias):
        inside = effect.delay("one")
        group = effect.apply_async(("one",), headers={})

    rows = site.jobs()
    ignored = {"id", "root_id", "recorded_at", "published_at", "_state"}
    told = [
        {key: value for key, value in vars(rows[sent.id]).items() if key not in ignored}
        for sent in (short, inside, long, group)
    ]
    assert told[0] == told[1] == told[2] == told[3]
    assert all(row.root_id == id and row.published_at for id, row in rows.items())
    assert all(row.recorded_at == row.published_at for row in rows.values())
    assert published(site) == [short.id, long.id, inside.id, group.id]


def test_statement_of_a_plain_call_is_seen_by_who_watches_statements(site: Site) -> None:
    with CaptureQueriesContext(connections[site.alias]) as queries:
        site.task("effect").delay("watched")
    assert len(queries) > 0

    seen: list[str] = []

    def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connections[site.alias].execute_wrapper(wrapper):
        site.task("effect").delay("wrapped")
    assert any("INSERT INTO holdfast_job" in sql for sql in seen)
    assert len(site.states()) == 2


def test_session_that_has_lost_its_statements_prepares_them_again(site: Site) -> None:
    only_on_postgres(site)
    effect = site.task("effect")
    effect.delay("prepared")
    assert execute(site, "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'holdfast%'")
    execute(site, "DEALLOCATE holdfast_fresh")

    sent = [effect.delay("again"), effect.delay("and again")]

    assert {site.states()[each.id] for each in sent} == {"queued"}
    assert execute(site, "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'holdfast%'")


def test_transaction_of_the_session_itself_takes_a_plain_call_in(site: Site) -> None:
    only_on_postgres(site)
    execute(site, "BEGIN")
    undone = site.task("effect").delay("undone")
    execute(site, "ROLLBACK")

    assert undone.id not in site.states()


def test_database_that_cuts_the_connection_makes_a_plain_call_fail(site: Site) -> None:
    only_on_postgres(site)
    connection = connections[site.alias]
    with connection.temporary_connection():
        pid = execute(site, "SELECT pg_backend_pid()")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()

    with pytest.raises(OperationalError):
        site.task("effect").delay("cut")
    assert connection.errors_occurred
    connection.close()

    sent = site.task("effect").delay("after")
    assert list(site.states()) == [sent.id]


def test_connection_that_redis_closed_is_opened_again_for_the_same_call(site: Site) -> None:
    site.task("effect").delay("before")
    site.redis().client_kill_filter(_type="normal", skipme=True)

    sent = site.task("effect").delay("after")

    assert site.app.outbox.publisher.available
    assert published(site)[-1] == sent.id


def test_threads_that_send_at_once_share_what_connections_there_are(site: Site) -> None:
    tickets = [Ticket(f"job-{n}", 1, "any", "celery", n % 4 * 3) for n in range(SENDERS * 20)]
    publisher = Publisher(site.app)
    with ThreadPoolExecutor(SENDERS) as threads:
        list(threads.map(lambda ticket: publisher.publish([ticket]), tickets))

    assert publisher.available
    keys = ["celery", *(f"celery\x06\x16{step}" for step in (3, 6, 9))]
    assert sum(site.redis().llen(key) for key in keys) == len(tickets)
    publisher.close()


def test_refused_list_leaves_no_reply_for_the_next_command(site: Site) -> None:
    site.redis().set("broken", "no list")
    pool = site.redis().connection_pool
    pusher = Pusher(pool)
    for _ in range(2):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            pusher.push({"broken": ["a"], "fine": ["b"]})
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        pusher.push({"broken": ["c"]})
    site.redis().delete("broken", "fine")

    pusher.push({"broken": ["d"], "fine": ["e"]})

    left: list[Any] = [site.redis().lrange(name, 0, -1) for name in ("broken", "fine")]
    assert left == [[b"d"], [b"e"]]
    pool.disconnect()


def test_lists_below_a_prefix_are_found(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        site.app.conf.broker_transport_options = {"global_keyprefix": "below:"}
        sent = site.task("effect").delay("prefixed")
        items: list[Any] = site.redis().lrange("below:celery", 0, -1)
        assert [json.loads(item)["headers"]["id"] for item in items] == [sent.id]
