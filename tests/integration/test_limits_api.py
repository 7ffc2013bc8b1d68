"""Limits as callers state them and as operators change them: what is refused where, what is shown, what is noted."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any
from unittest import mock

import pytest
from celery import shared_task
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

import holdfast
from holdfast import Celery, Limit, singleton_task
from holdfast.dispatch.task import LedgerTask
from holdfast.exceptions import ConfigurationError, JobNotFound, LimitNotFound
from holdfast.ledger import interventions
from holdfast.ledger.models import Audit, Job
from holdfast.ledger.models.limits import Limited
from holdfast.ledger.states import State
from tests.surroundings import current_app


@shared_task(limit=Limit("api", concurrency=2, by="tenant", per_key=1))
def for_tenant(tenant: str = "none", /, *, more: int = 0) -> None:
    pass


@shared_task(
    limit=[Limit("heavy", concurrency=10, weight=lambda n, **_: n), Limit("second", rate="1/s")]
)
def weighed(n: int) -> None:
    pass


@shared_task(rate_limit="10/m")
def celerys_own() -> None:
    pass


@pytest.fixture(autouse=True)
def app(ledger: str) -> Any:
    """An app whose broker takes every ticket and shows none."""
    with current_app("memory://") as app, mock.patch("holdfast.broker.publisher.Publisher.publish"):
        yield app


def rows(job: str) -> set[tuple[str, str, int]]:
    found = Limited.objects.using("ledger").filter(job=job)
    return {(row.name, row.key, row.weight) for row in found}


def state(job: str) -> tuple[State, str]:
    row = Job.objects.using("ledger").get(id=job)
    return State(row.state), row.hold


def command(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", "limits", *words, stdout=out)
    return out.getvalue()


def test_what_fits_is_let_in_after_the_commit_and_the_rest_waits() -> None:
    with transaction.atomic(using="ledger"):
        ids = [for_tenant.delay(t).id for t in ("a", "a", "b", "c")]
        assert {state(id) for id in ids} == {(State.HELD, "limit")}
    assert [state(id)[0] for id in ids] == [State.QUEUED, State.HELD, State.QUEUED, State.HELD]


def test_key_is_the_argument_however_it_is_given() -> None:
    assert rows(for_tenant.delay("a").id) == {("api", "a", 1)}
    assert rows(for_tenant.delay().id) == {("api", "none", 1)}
    long = "x" * 1000
    ((_, key, _),) = rows(for_tenant.delay(long).id)
    assert len(key) <= 255
    assert rows(for_tenant.delay(long + "y").id) != {("api", key, 1)}


def test_each_of_many_calls_has_its_own_key_and_weight() -> None:
    many = for_tenant.apply_many([("a",), ("b",)])
    assert [rows(job.id) for job in many] == [{("api", "a", 1)}, {("api", "b", 1)}]
    heavy, light = weighed.apply_many([(7,), (1,)])
    assert rows(heavy.id) == {("heavy", "", 7), ("second", "", 1)}
    assert rows(light.id) == {("heavy", "", 1), ("second", "", 1)}


def test_call_may_bring_a_limit_of_its_own() -> None:
    job = for_tenant.apply_async(("a",), limit=Limit("once", concurrency=1))
    assert rows(job.id) == {("once", "", 1)}


def test_queue_has_a_limit_by_the_settings() -> None:
    limits = {"celery": {"concurrency": 1}}
    with override_settings(HOLDFAST={**settings.HOLDFAST, "queue_limits": limits}):
        first, second = celerys_own.delay(), celerys_own.delay()
    assert rows(first.id) == {("queue:celery", "", 1), (f"rate_limit:{celerys_own.name}", "", 1)}
    assert state(second.id) == (State.HELD, "limit")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Limit("x"), "bounds nothing"),
        (lambda: Limit("", concurrency=1), "255 characters"),
        (lambda: Limit("x", concurrency=0), "from 1 on"),
        (lambda: Limit("x", concurrency=1, burst=2), "no rate"),
        (lambda: Limit("x", rate="fast"), "'10/s'"),
        (lambda: Limit("x", per_key=1), "say by="),
        (lambda: Limit("x", concurrency=1, weight=0), "from 1 on"),
        (lambda: Limit("x", concurrency=1, on_conflict="raise"), "'skip'"),  # type: ignore[arg-type]
        (lambda: for_tenant.apply_async(("a",), limit="x"), "holdfast.Limit"),
        (lambda: for_tenant.apply_async(("a",), limit=Limit("api", concurrency=9)), "stated twice"),
        (lambda: weighed.delay(0), "from 1 on"),
        (lambda: singleton_task(on_conflict="raise"), "'skip'"),  # type: ignore[arg-type]
        (lambda: singleton_task(unique=True), "makes unique itself"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_recorded(make: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make()
    assert not Job.objects.using("ledger").exists()


def test_task_with_a_limit_it_cannot_have_is_refused_where_it_is_made(app: Celery) -> None:
    def bad(limit: Limit, **options: Any) -> type[LedgerTask]:
        body = staticmethod(lambda tenant: tenant)
        return type("Bad", (LedgerTask,), {"name": "bad", "run": body, "limit": limit, **options})

    with pytest.raises(ConfigurationError, match="no parameter"):
        bad(Limit("b1", concurrency=1, by="tenent")).on_bound(app)
    with pytest.raises(ConfigurationError, match="durable=False"):
        bad(Limit("b2", rate=1), durable=False).on_bound(app)


def test_limit_is_set_shown_and_reset_and_the_audit_knows_who() -> None:
    first, second = for_tenant.delay("a"), for_tenant.delay("a")
    assert holdfast.limits.get("api").taken == 1
    assert holdfast.limits.get("api").waiting == 1
    after = holdfast.limits.set("api", per_key=2, actor="ada")
    assert (after.bounds.concurrency, after.bounds.per_key, after.is_set) == (2, 2, True)
    assert state(second.id) == (State.HELD, "limit"), "the next admission lets it in"
    for_tenant.delay("b")
    assert holdfast.limits.reset("api").bounds.per_key == 1
    lines = Audit.objects.using("ledger").filter(action="limit").order_by("id")
    assert [line.actor for line in lines] == ["ada", ""]
    assert state(first.id)[0] == State.QUEUED


def test_unknown_limit_and_unknown_bound_are_told() -> None:
    with pytest.raises(LimitNotFound, match="api"):
        holdfast.limits.get("apis")
    with pytest.raises(ConfigurationError, match="what can be set"):
        holdfast.limits.set("api", concurency=1)
    with pytest.raises(ConfigurationError, match="from 1 on"):
        holdfast.limits.set("api", concurrency=0)


def test_why_a_job_waits_is_answered() -> None:
    first, second, third = (for_tenant.delay("a") for _ in range(3))
    assert holdfast.limits.why(first) is None
    why = holdfast.limits.why(third.id)
    assert why is not None
    assert (why.limit, why.key, why.ahead, why.holders) == ("api", "a", 1, (first.id,))
    assert not why.waits_for_token
    interventions.cancel([second.id], running=False)
    with pytest.raises(JobNotFound):
        holdfast.limits.why("nothing")


def test_command_shows_sets_and_resets() -> None:
    for_tenant.delay("a")
    (shown,) = json.loads(command("api", "--json"))
    assert (shown["name"], shown["taken"], shown["bounds"]["concurrency"]) == ("api", 1, 2)
    assert "set at run time" in command("api", "--set", "--concurrency", "5", "--rate", "3/m")
    assert holdfast.limits.get("api").bounds.rate == "3/m"
    assert "code" in command("api", "--reset")
    assert "heavy" in command(), "what the code states is shown before it is used"
    with pytest.raises(CommandError, match="whole number"):
        command("api", "--set", "--concurrency", "many")
    with pytest.raises(CommandError, match="--set"):
        command("api", "--concurrency", "5")
    with pytest.raises(CommandError, match="There is no limit 'apis'"):
        command("apis")


def test_rate_limit_set_by_control_is_set_for_all_workers(app: Celery) -> None:
    celerys_own.delay()
    with mock.patch("celery.app.control.Control.rate_limit"):
        app.control.rate_limit(celerys_own.name, "7/s")
    limit = holdfast.limits.get(f"rate_limit:{celerys_own.name}")
    assert (limit.bounds.rate, limit.stated.rate) == ("7/s", "10/m")
