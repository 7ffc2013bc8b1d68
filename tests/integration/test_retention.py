"""What is kept of finished jobs: by age, by task, by count; on both databases, with jobs that were really sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.test import override_settings

from holdfast import Celery
from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.models import Job, Payload, Result
from holdfast.ledger.states import State
from holdfast.policies.retention import Retention
from holdfast.testing.services import RedisServer
from holdfast.upkeep.pruner import Pruner

HOUR = 3600


def body(number: int) -> int:
    return number


@pytest.fixture
def app(redis_server: RedisServer, ledger: str) -> Iterator[Celery]:
    app = Celery("retention", broker=redis_server.url, set_as_current=False)

    app.task(body, shared=False, name="shop.plain")
    app.task(body, shared=False, name="shop.short", keep=HOUR)
    app.task(body, shared=False, name="shop.long", keep=timedelta(days=300))
    app.task(body, shared=False, name="shop.few", keep_last=3)
    app.task(body, shared=False, name="shop.none", keep_last=0)
    app.task(body, shared=False, name="mail.send")
    yield app
    app.outbox.publisher.close()


def send(app: Celery, task: str, count: int = 1, *, hours_ago: float = 0) -> list[str]:
    """Send jobs and finish them as so many hours ago, one a second, oldest first."""
    ids = [result.id for result in app.tasks[task].apply_many([(n,) for n in range(count)])]
    for place, id in enumerate(ids):
        finished = Now() - timedelta(hours=hours_ago) - timedelta(seconds=count - place)
        Job.objects.using(get_settings().database).filter(id=id).update(
            state=State.SUCCEEDED, finished_at=finished
        )
    return ids


def prune(app: Celery, *, kept_seconds: float | None = 24 * HOUR) -> int:
    return Pruner(results_kept_seconds=kept_seconds, retention=Retention(app.tasks.get)).one_pass()


def left(ledger: str) -> Counter[str]:
    return Counter(Job.objects.using(ledger).values_list("task", flat=True))


def test_task_keeps_its_jobs_shorter_or_longer_than_the_others(app: Celery, ledger: str) -> None:
    for task in ("shop.plain", "shop.short", "shop.long"):
        for hours in (0.5, 2, 48, 24 * 299, 24 * 301):
            send(app, task, hours_ago=hours)
    assert prune(app) == 3 + 4 + 1
    assert left(ledger) == {"shop.plain": 2, "shop.short": 1, "shop.long": 4}
    assert Payload.objects.using(ledger).count() == 7


def test_task_keeps_the_newest_of_its_jobs(app: Celery, ledger: str) -> None:
    ids = send(app, "shop.few", 10)
    send(app, "shop.none", 4)
    send(app, "shop.plain", 5)
    assert prune(app) == 11
    assert left(ledger) == {"shop.few": 3, "shop.plain": 5}
    kept = Job.objects.using(ledger).filter(task="shop.few").values_list("id", flat=True)
    assert set(kept) == set(ids[-3:])


def test_count_is_exact_among_jobs_that_ended_at_the_same_instant(app: Celery, ledger: str) -> None:
    send(app, "shop.few", 10)
    Job.objects.using(ledger).update(finished_at=Now())
    prune(app)
    assert left(ledger) == {"shop.few": 3}


def test_open_jobs_and_dead_letters_are_not_counted(app: Celery, ledger: str) -> None:
    send(app, "shop.none", 3, hours_ago=48)
    app.tasks["shop.none"].delay(1)
    failed = send(app, "shop.none", hours_ago=48)
    Job.objects.using(ledger).filter(id__in=failed).update(state=State.FAILED)
    assert prune(app) == 3
    states = sorted(Job.objects.using(ledger).values_list("state", flat=True))
    assert states == [State.QUEUED, State.FAILED]


def test_waiters_that_were_not_told_keep_a_job(app: Celery, ledger: str) -> None:
    (id,) = send(app, "shop.short", hours_ago=48)
    Job.objects.using(ledger).filter(id=id).update(unsettled=True)
    assert prune(app) == 0


def test_rule_of_a_task_holds_where_results_are_kept_for_ever(app: Celery, ledger: str) -> None:
    for task in ("shop.plain", "shop.short"):
        send(app, task, hours_ago=24 * 400)
    send(app, "shop.few", 5, hours_ago=24 * 400)
    prune(app, kept_seconds=None)
    assert left(ledger) == {"shop.plain": 1, "shop.few": 3}


def test_settings_rule_tasks_by_their_names_and_tasks_overrule_them(
    app: Celery, ledger: str
) -> None:
    rules = {"mail.*": {"keep": 60}, "shop.s*": {"keep_last": 0}, "*": {"keep_last": 1}}
    with override_settings(HOLDFAST={"database": ledger, "keep": rules}):
        send(app, "mail.send", 3, hours_ago=0.5)
        send(app, "shop.short", 3)
        send(app, "shop.plain", 3)
        prune(app)
    assert left(ledger) == {"shop.short": 3, "shop.plain": 1}


def test_rule_that_is_gone_leaves_its_jobs_to_the_usual_time(app: Celery, ledger: str) -> None:
    send(app, "shop.long", hours_ago=48)
    send(app, "shop.long", hours_ago=1)
    app.tasks["shop.long"].keep = None
    prune(app)
    assert left(ledger) == {"shop.long": 1}


def test_batches_end_with_the_pass_and_go_on_in_the_next(
    app: Celery, ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.upkeep.pruner.BUDGET_SECONDS", -1.0)
    with override_settings(HOLDFAST={"database": ledger, "prune_batch": 4}):
        send(app, "shop.plain", 10, hours_ago=48)
        assert [prune(app) for _ in range(4)] == [4, 4, 2, 0]


def test_results_go_with_their_jobs(app: Celery, ledger: str) -> None:
    (id,) = send(app, "shop.short", hours_ago=2)
    Result.objects.using(ledger).create(id=id, status="SUCCESS", stored_at=Now())
    prune(app)
    assert not Result.objects.using(ledger).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": -1}, r"Task 'shop.bad': keep is .*timedelta or a number of seconds"),
        ({"keep": "1h"}, r"keep is '1h'; it must be a timedelta"),
        ({"keep_last": -1}, r"keep_last is -1; it must be a number of jobs, 0 or more"),
        ({"keep_last": True}, r"keep_last is True"),
    ],
)
def test_rule_that_cannot_be_is_refused_where_the_task_is_made(
    app: Celery, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        app.task(body, name="shop.bad", shared=False, **options).name  # noqa: B018  # made at first use


def test_settings_that_cannot_be_are_named(app: Celery, ledger: str) -> None:
    rules = {"shop.*": {"kept": 60}}
    with (
        override_settings(HOLDFAST={"database": ledger, "keep": rules}),
        pytest.raises(ConfigurationError, match=r"HOLDFAST\['keep'\]\['shop.\*'\] has 'kept'"),
    ):
        app.tasks["shop.plain"].delay(1)
