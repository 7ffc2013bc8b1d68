"""Unique calls by every way to send and in every transaction: what is recorded, and which handle the caller gets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from celery import chain, chord, group
from django.db import connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import EncodeError

import holdfast
from holdfast import Unique, UniqueConflict
from holdfast.ledger import unique
from holdfast.ledger.models.unique import UniqueKey
from tests.harness import Site
from tests.integration.unique.jobs import called_with, end, keys, row
from tests.project.syncing import export, index, plain, render, sync, translate

MINUTE = timedelta(minutes=1)


def test_rollback_frees_the_key(site: Site) -> None:
    with transaction.atomic(using=site.alias):
        undone = sync.delay(1)
        transaction.set_rollback(True, using=site.alias)
    second = sync.delay(1)
    assert second.id != undone.id
    assert site.states() == {second.id: "queued"}


def test_conflict_that_is_caught_leaves_the_callers_transaction_whole(site: Site) -> None:
    taken = sync.delay(1)
    with transaction.atomic(using=site.alias):
        kept = plain.delay(5)
        with pytest.raises(UniqueConflict):
            sync.apply_async((1,), unique=Unique(by="order", conflict="raise"))
    assert set(site.jobs()) == {taken.id, kept.id}


def test_many_calls_in_one_go_are_one_job_for_each_key(site: Site) -> None:
    waiting = sync.delay(3)
    with transaction.atomic(using=site.alias):
        results = sync.apply_many([(number % 5,) for number in range(20)])
    ids = [result.id for result in results]
    assert ids == ids[:5] * 4
    assert ids[3] == waiting.id
    assert set(site.jobs()) == set(ids)


def test_last_of_many_calls_replaces(site: Site) -> None:
    results = render.apply_many([("home", text) for text in "abc"])
    assert len({result.id for result in results}) == 1
    assert called_with(results[0].id) == (["home", "c"], {})


def test_many_different_calls_in_one_go_are_asked_one_after_the_other(site: Site) -> None:
    results = holdfast.apply_many(
        [
            index.s("home").set(countdown=60),
            index.s("home").set(countdown=600),
            plain.s(1),
            index.s("about"),
        ]
    )
    assert results[0].id == results[1].id
    assert len(site.jobs()) == 3
    held = row(site, results[0].id)
    assert held.due_at is not None
    assert held.due_at - held.recorded_at > MINUTE * 5
    with pytest.raises(UniqueConflict):
        holdfast.apply_many([plain.s(9), translate.s("a"), translate.s("A")])
    assert len(site.jobs()) == 3


def test_many_calls_by_the_slow_way_get_the_same_handles(site: Site) -> None:
    results = sync.apply_many([(1,), (1,)], link=plain.si(1))
    assert results[0].id == results[1].id
    assert set(site.jobs()) == {results[0].id}


def test_async_code_gets_the_job_that_stands(site: Site) -> None:
    async def send() -> list[str]:
        return [(await sync.adelay(1)).id, sync.delay(1).id, (await sync.adelay(1)).id]

    assert len(set(asyncio.run(send()))) == 1
    assert len(site.jobs()) == 1


def test_signature_may_carry_what_makes_it_unique(site: Site) -> None:
    signature = plain.s(1).set(unique=Unique(by="order"))
    first = signature.apply_async()
    assert signature.clone().delay().id == first.id
    with pytest.raises(EncodeError, match="cannot travel"):
        chain(plain.s(1), plain.si(2).set(unique=Unique(by=lambda order: 1))).delay()


def test_group_gets_the_jobs_that_stand_for_its_members(site: Site) -> None:
    taken = sync.delay(1)
    result = group(sync.s(1), sync.s(2), sync.s(2)).delay()
    ids = [member.id for member in result.results]
    assert ids[0] == taken.id
    assert ids[1] == ids[2]
    assert set(site.jobs()) == set(ids)


def test_chord_and_chain_are_refused_rather_than_left_waiting(site: Site) -> None:
    taken = sync.delay(1)
    for refused in (
        chord([sync.s(1), sync.s(2)], plain.si(1)),
        chord([sync.s(2), sync.s(2)], plain.si(1)),
        chain(sync.si(1), plain.si(1)),
    ):
        with pytest.raises(UniqueConflict, match="chain or chord"):
            refused.delay()
    assert set(site.jobs()) == {taken.id}
    chain(sync.si(2), plain.si(1)).delay()
    with pytest.raises(UniqueConflict, match="cannot be replaced"):
        sync.apply_async((2,), unique=Unique(by="order", conflict="replace"))


def test_call_in_another_databases_transaction_is_unique_when_that_commits(site: Site) -> None:
    taken = sync.delay(1)
    with transaction.atomic(using="other"):
        late = sync.delay(1)
        assert late.id != taken.id
    assert late.id == taken.id
    assert set(site.jobs()) == {taken.id}


def test_given_id_stands_until_another_job_has_the_key(site: Site) -> None:
    assert sync.apply_async((1,), task_id="mine").id == "mine"
    assert sync.apply_async((1,), task_id="mine").id == "mine"
    assert sync.apply_async((1,), task_id="other").id == "mine"
    assert list(site.jobs()) == ["mine"]


def test_inline_calls_are_all_run(site: Site) -> None:
    site.app.conf.task_always_eager = True
    try:
        assert (
            sync.delay(1).get() == sync.apply_async((1,), unique_key="k").get() == "synced 1 shop"
        )
    finally:
        site.app.conf.task_always_eager = False
    assert site.effects() == ["sync 1 shop"] * 2


def test_replay_asks_for_no_key_and_has_its_own_again_where_nobody_took_it(site: Site) -> None:
    first = export.delay(1)
    end(site, first.id)
    holdfast.replay(first)
    assert export.delay(1).id == first.id
    end(site, first.id)
    second = export.delay(1)
    holdfast.replay(first)
    assert set(site.states().values()) == {"queued"}
    assert export.delay(1).id == second.id


def test_key_of_a_job_that_is_gone_is_pruned(site: Site) -> None:
    rows = UniqueKey.objects.using(site.alias)
    gone, there = sync.delay(1), sync.delay(2)
    end(site, gone.id)
    gone.forget()
    assert unique.prune(limit=10) == 0, "nobody looks at a young key"
    rows.update(look_at=F("look_at") - timedelta(hours=2))
    assert unique.prune(limit=10) == 2
    assert list(keys(site).values()) == [there.id]
    assert unique.prune(limit=10) == 0


def test_calls_that_are_not_unique_ask_the_database_no_more(site: Site) -> None:
    plain.delay(1)
    with CaptureQueriesContext(connections[site.alias]) as asked:
        plain.delay(1)
        plain.apply_many([(1,), (2,)])
    assert "unique_key" not in str(asked.captured_queries)
