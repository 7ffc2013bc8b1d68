"""Many calls in one go lie in the ledger and on the broker as if each had been made by itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery.result import AsyncResult
from django.db import connections, transaction
from pydantic import BaseModel

import holdfast
from holdfast import vault
from tests.harness import Site, new_site

MORE_THAN_A_CHUNK = 2001
KEYS = [f"{n:032d}" for n in (1, 2)]


class Parcel(BaseModel):
    weight: int


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def module_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(str(request.param), request) as site:
        yield site


@pytest.fixture
def site(module_site: Site) -> Site:
    module_site.empty()
    module_site.redis().flushdb()
    return module_site


def add_task(site: Site, name: str, **options: Any) -> Any:
    if f"many.{name}" in site.app.tasks:
        return site.app.tasks[f"many.{name}"]

    @site.app.task(name=f"many.{name}", shared=False, **options)
    def body(first: Any = None, *args: Any, **kwargs: Any) -> None: ...

    return site.app.tasks[body.name]


def told(site: Site, id: str) -> dict[str, Any]:
    """Everything the ledger and the broker say of a job but for its id, its times and its signature."""
    from holdfast.ledger.models import Payload

    row, payload = site.jobs(id=id)[id], Payload.objects.using(site.alias).get(job=id)
    body, encoding = vault.decrypt(bytes(payload.body), payload.content_encoding)
    said = {name: value for name, value in vars(row).items() if name not in ("_state", "id")}
    said |= {name: bool(said[name]) for name in ("recorded_at", "published_at", "due_at")}
    said |= {"root_id": "own" if row.root_id == id else row.root_id, "body": body}
    said |= {"encoding": encoding, "encrypted": vault.is_encrypted(payload.content_encoding)}
    said |= {"kind": payload.content_type, "headers": json.loads(payload.headers)}
    if said["headers"].get("root_id") == id:
        said["headers"]["root_id"] = "own"
    return said


def tickets(site: Site) -> dict[str, dict[str, Any]]:
    found = {}
    for key in site.redis().scan_iter("*"):
        items: list[Any] = site.redis().lrange(key, 0, -1)
        for item in items:
            message = json.loads(item)
            found[message["headers"].pop("id")] = {
                "list": key,
                "task": message["headers"]["task"],
                "token": message["headers"]["holdfast"]["token"],
            }
    return found


@pytest.mark.parametrize(
    ("options", "called"),
    [
        ({}, {}),
        ({"ignore_result": True}, {}),
        ({}, {"queue": "other", "priority": 9}),
        ({}, {"headers": {"tenant": "a"}}),
        ({}, {"countdown": 60}),
        ({"keep": timedelta(days=1)}, {}),
        ({"compression": "gzip"}, {}),
        ({"serializer": "pickle"}, {}),
        ({"encrypt": True}, {}),
        ({"limit": holdfast.Limit("many", concurrency=100)}, {}),
        ({"redact": ["first"]}, {}),
    ],
    ids=repr,
)
def test_each_of_many_is_what_one_is(
    site: Site, options: dict[str, Any], called: dict[str, Any], settings: Any
) -> None:
    key = base64.urlsafe_b64encode(KEYS[0].encode()).decode()
    settings.HOLDFAST = {**settings.HOLDFAST, "encryption_keys": [key]}
    task = add_task(site, f"alike_{'_'.join(options)}", **options)
    calls: list[Any] = [("a b\t\\n",), {"first": "x"}, (([1, {"y": None}],), {"z": "\u00e9"}), ()]
    many = task.apply_many(calls, **called)
    pairs = [(calls[0], {}), ((), calls[1]), calls[2], ((), {})]
    single = [task.apply_async(*pair, **called) for pair in pairs]

    published = tickets(site)
    for one, other in zip(many, single, strict=True):
        assert told(site, one.id) == told(site, other.id)
        assert published.get(one.id) == published.get(other.id)
    assert isinstance(many[0], AsyncResult)


def test_pydantic_models_travel_from_every_call(site: Site) -> None:
    @site.app.task(name="many.models", shared=False, pydantic=True)
    def send(parcel: Parcel) -> None: ...

    sent = site.app.tasks[send.name].apply_many([(Parcel(weight=n),) for n in range(3)])

    bodies = [json.loads(told(site, each.id)["body"])[0] for each in sent]
    assert bodies == [[{"weight": 0}], [{"weight": 1}], [{"weight": 2}]]


def test_many_calls_keep_their_order(site: Site) -> None:
    sent = site.task("effect").apply_many([(str(n),) for n in range(MORE_THAN_A_CHUNK)])

    items: list[Any] = site.redis().lrange("celery", 0, -1)
    assert [json.loads(item)["headers"]["id"] for item in reversed(items)] == [s.id for s in sent]
    assert len(site.states()) == MORE_THAN_A_CHUNK
    last = told(site, sent[-1].id)["body"]
    assert json.loads(last)[0] == [str(MORE_THAN_A_CHUNK - 1)]


def test_call_that_cannot_be_sent_takes_back_its_own_kind_only(site: Site) -> None:
    effect = site.task("effect")
    bad = [*((str(n),) for n in range(MORE_THAN_A_CHUNK)), (object(),)]
    with transaction.atomic(using=site.alias):
        before = effect.delay("before")
        with pytest.raises(Exception, match="not JSON serializable"):
            effect.apply_many(bad)
        after = effect.delay("after")
    with pytest.raises(Exception, match="not JSON serializable"):
        effect.apply_many(bad)

    assert set(site.states()) == {before.id, after.id} == set(tickets(site))


def test_members_of_a_batch_are_counted_and_have_one(site: Site) -> None:
    with holdfast.Batch(name="many") as batch:
        sent = site.task("effect").apply_many([("a",), ("b",), ("c",)])

    assert {row.batch_id for row in site.jobs().values()} == {batch.id}
    assert {told(site, each.id)["headers"]["holdfast_batch"] for each in sent} == {batch.id}
    assert batch.progress().total == 3


def test_calls_from_a_body_are_children_of_its_job(site: Site) -> None:
    effect = site.task("effect")
    effect.push_request(id="parent", root_id="root", called_directly=False, children=[])
    from celery._state import _task_stack

    _task_stack.push(effect)
    try:
        sent = effect.apply_many([("a",), ("b",)])
        one = effect.delay("a")
    finally:
        _task_stack.pop()
        effect.pop_request()

    assert told(site, sent[1].id)["root_id"] == "root"
    assert told(site, sent[0].id) == told(site, one.id)
    rows = site.jobs()
    assert {rows[each.id].parent_id for each in sent} == {"parent"}


def test_who_watches_statements_sees_them_and_the_rows_are_the_same(site: Site) -> None:
    effect = site.task("effect")
    unseen = effect.apply_many([("a",), ("b",)])
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connections[site.alias].execute_wrapper(wrapper):
        watched = effect.apply_many([("a",), ("b",)])

    assert any("INSERT INTO holdfast_job" in sql for sql in seen)
    assert [told(site, each.id) for each in watched] == [told(site, each.id) for each in unseen]
