"""Unique calls on both databases: which become jobs, which job stands for the others, and what the caller gets."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

import holdfast
from holdfast import Unique, UniqueConflict
from holdfast.exceptions import ConfigurationError, InvalidArguments
from holdfast.ledger import checkpoints, interventions, rehearsal, transitions
from holdfast.ledger.reads.history import history_of
from tests.harness import Site
from tests.integration.unique.jobs import called_with, claim, end, keys, row
from tests.project.syncing import export, index, plain, remind, render, sync, translate
from tests.rows import FAILURE, hire, new_job

MINUTE = timedelta(minutes=1)


# -- keys ----------------------------------------------------------------------------------------------


def test_call_whose_key_waits_gets_the_job_that_has_it(site: Site) -> None:
    first = sync.delay(7)
    again = [sync.delay(7), sync.delay(order=7), sync.delay(7, source="api"), sync.delay(7, "mail")]

    assert {result.id for result in again} == {first.id}
    assert sync.delay(8).id != first.id
    assert len(site.jobs()) == 2
    assert called_with(first.id) == ([7], {})


def test_all_arguments_make_the_key_unless_some_are_chosen(site: Site) -> None:
    by_all = Unique()
    first = plain.apply_async((1,), unique=by_all)
    assert plain.apply_async(kwargs={"order": 1}, unique=by_all).id == first.id
    assert plain.apply_async((2,), unique=by_all).id != first.id
    assert plain.delay(1).id != first.id, "a call that is not unique asks for no key"


def test_function_makes_the_key_of_the_arguments(site: Site) -> None:
    translate.delay("Yes", "No")
    translate.delay("yes")
    with pytest.raises(UniqueConflict):
        translate.delay("YES", "no", to="fr")
    assert len(site.jobs()) == 2


def test_caller_gives_the_key(site: Site) -> None:
    first = sync.apply_async((1,), unique_key="nightly")
    assert sync.apply_async((2,), unique_key="nightly").id == first.id
    assert sync.delay(1).id != first.id
    assert f"{sync.name} queued nightly" in keys(site)
    longest = sync.apply_async((1,), unique_key="n" * 300)
    assert sync.apply_async((2,), unique_key="n" * 300).id == longest.id
    assert max(map(len, keys(site))) <= 255


def test_key_shows_no_value_of_an_argument(site: Site) -> None:
    sync.delay("secret-token")
    plain.apply_async(("secret-token",), unique=Unique())
    assert not [key for key in keys(site) if "secret" in key]


def test_call_may_be_unique_in_its_own_way_or_not_at_all(site: Site) -> None:
    first = sync.delay(1)
    assert sync.apply_async((1,), unique=False).id != first.id
    with pytest.raises(UniqueConflict) as refused:
        sync.apply_async((1,), unique=Unique(by="order", conflict="raise"))
    assert refused.value.job == first.id
    assert refused.value.key in keys(site)
    assert first.id in str(refused.value)


def test_task_that_cannot_be_unique_is_refused_where_it_is_made() -> None:
    def body(order: int) -> None: ...

    app = holdfast.Celery("refusing", set_as_current=False)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"unique": Unique(by="ordr")}, "which its body does not take. It takes 'order'"),
        ({"unique": Unique(), "durable": False}, "unique= and durable=False"),
        ({"unique": "order"}, "must be a holdfast.Unique"),
    ]
    for number, (options, told) in enumerate(refused):
        with pytest.raises(ConfigurationError, match=told):
            app.task(name=f"tests.{number}", shared=False, lazy=False, **options)(body)


def test_call_that_cannot_be_unique_is_refused_and_nothing_is_recorded(site: Site) -> None:
    with pytest.raises(ConfigurationError, match="not durable"):
        sync.apply_async((1,), durable=False)
    with pytest.raises(ConfigurationError, match="neither the task nor the call"):
        plain.apply_async((1,), unique_key="k")
    with pytest.raises(ConfigurationError, match="not empty"):
        sync.apply_async((1,), unique_key="")
    with pytest.raises(ConfigurationError, match="returned None"):
        plain.apply_async((1,), unique=Unique(by=lambda order: None))
    with pytest.raises(ConfigurationError, match="not known in this process"):
        site.app.send_task("elsewhere.task", (1,), unique=Unique())
    with pytest.raises(InvalidArguments, match="no form in JSON"):
        plain.apply_async((1,), unique=Unique(by=lambda order: object()))
    assert not site.jobs()
    assert site.app.send_task("elsewhere.task", (1,), unique=Unique(), unique_key="k").id


# -- scopes --------------------------------------------------------------------------------------------


def test_queued_key_is_free_once_its_job_is_claimed_and_stays_so(site: Site) -> None:
    first = sync.delay(1)
    hold = claim(site, first.id)
    second = sync.delay(1)
    assert second.id != first.id

    transitions.hand_back([hold], cause="the worker stops")
    assert sync.delay(1).id == second.id, "a job that comes back asks for no key again"
    claim(site, second.id)
    assert sync.delay(1).id not in {first.id, second.id}


def test_unfinished_key_is_free_at_the_end_of_its_job(site: Site) -> None:
    first = export.delay(1)
    hold = claim(site, first.id)
    assert export.delay(1).id == first.id

    transitions.lose(hold, cause="killed")
    assert export.delay(1).id == first.id
    end(site, first.id)
    assert export.delay(1).id != first.id


def test_period_outlives_its_job(site: Site) -> None:
    first = remind.delay(1)
    end(site, first.id)
    assert remind.delay(1).id == first.id
    first.forget()
    assert remind.delay(1).id == first.id

    rehearsal.bring_forward(timedelta(hours=2))
    assert remind.delay(1).id != first.id


@pytest.mark.parametrize("task", [sync, export, remind], ids=["queued", "unfinished", "period"])
def test_job_that_will_never_run_stands_in_nobodys_way(site: Site, task: Any) -> None:
    first = task.delay(1)
    holdfast.cancel(first)
    second = task.apply_async((1,), expires=0.001)
    assert second.id != first.id
    third = task.delay(1)
    assert third.id != second.id
    interventions.expire([second.id])
    assert task.delay(1).id == third.id


def test_job_that_waits_for_its_time_has_its_key(site: Site) -> None:
    first = sync.apply_async((1,), countdown=60)
    assert sync.delay(1).id == first.id
    assert site.states() == {first.id: "held"}


# -- conflicts -----------------------------------------------------------------------------------------


def test_replaced_job_runs_with_the_newest_arguments_under_its_old_id(site: Site) -> None:
    first = render.delay("home", "old")
    before = row(site, first.id)
    latest = render.apply_async(("home", "new"), priority=7)

    assert latest.id == first.id
    headers = history_of(first.id)
    assert headers is not None
    assert json.loads(headers.headers)["root_id"] == first.id
    assert called_with(first.id) == (["home", "new"], {})
    after = row(site, first.id)
    assert (after.priority, after.token) == (7, before.token + 1)
    refused = transitions.claim([(first.id, before.token, False)], worker=hire())
    assert not refused.claimed
    claim(site, first.id)


def test_replacement_takes_its_own_time(site: Site) -> None:
    first = render.delay("home", "old")
    render.apply_async(("home", "new"), countdown=60)
    assert site.states() == {first.id: "held"}
    render.delay("home", "newest")
    assert site.states() == {first.id: "queued"}
    assert called_with(first.id) == (["home", "newest"], {})
    end(site, first.id)


def test_replaced_job_begins_at_the_start(site: Site) -> None:
    newest = Unique(by="order", scope="unfinished", conflict="replace")
    first = export.apply_async((1,), unique=newest)
    hold = claim(site, first.id)
    checkpoints.save(hold, "half of it")
    again = new_job(first.id, task=export.name, delay_seconds=60.0)
    transitions.retry(hold, job=again, stored=FAILURE, error="e")
    assert export.apply_async((1, 0.5), unique=newest).id == first.id
    assert checkpoints.load(first.id) is None
    assert (row(site, first.id).failures, first.state) == (0, "PENDING")
    assert called_with(first.id) == ([1, 0.5], {})
    end(site, first.id)


def test_running_job_is_not_replaced(site: Site) -> None:
    newest = Unique(by="order", scope="unfinished", conflict="replace")
    first = export.apply_async((1, 0.5), unique=newest)
    claim(site, first.id)
    assert export.apply_async((1, 9.0), unique=newest).id == first.id
    assert called_with(first.id) == ([1, 0.5], {})


def test_postponed_job_waits_for_the_latest_call_and_never_for_an_earlier_one(site: Site) -> None:
    first = index.apply_async(("home", "first"), countdown=60)
    due = row(site, first.id).due_at
    assert due is not None
    assert index.apply_async(("home", "second"), countdown=120).id == first.id
    later = row(site, first.id)
    assert later.due_at is not None
    assert later.due_at - due > MINUTE / 2
    assert called_with(first.id) == (["home", "first"], {})
    for earlier in ({}, {"countdown": 1}, {"eta": due}):
        assert index.apply_async(("home",), **earlier).id == first.id
    assert row(site, first.id).due_at == later.due_at
    assert row(site, first.id).token == later.token


def test_call_for_now_postpones_nothing(site: Site) -> None:
    first = index.delay("home")
    token = row(site, first.id).token
    past = datetime.now().astimezone() - timedelta(hours=1)
    for now in ({}, {"countdown": 0}, {"eta": past}):
        assert index.apply_async(("home",), **now).id == first.id
    assert site.states() == {first.id: "queued"}
    assert row(site, first.id).token == token


def test_queued_job_is_taken_back_when_it_is_postponed(site: Site) -> None:
    first = index.delay("home")
    token = row(site, first.id).token
    far = datetime.now().astimezone() + timedelta(hours=1)
    assert index.apply_async(("home",), eta=far).id == first.id
    assert site.states() == {first.id: "held"}
    assert row(site, first.id).token == token + 1
    assert row(site, first.id).due_at == far
