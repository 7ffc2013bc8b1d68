"""What jobs have said is shown without the secrets of their calls: on pages, as JSON, by the command, in the admin."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any, cast
from uuid import UUID

import pytest
from django.contrib.admin import site
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from holdfast import Celery, dead_letters, operations
from holdfast.admin import AttemptAdmin, AttemptLogAdmin
from holdfast.console import sources
from holdfast.console.attention import Seen
from holdfast.dispatch import said
from holdfast.ledger import failures, logs, transitions
from holdfast.ledger.models import Attempt, Job
from holdfast.ledger.models.logs import AttemptLog
from holdfast.ledger.records import NewJob
from holdfast.testing.services import RedisServer
from tests.console.job_rows import ROOT, STARS, claim, fail, record, row
from tests.members import batch
from tests.rows import hire, new_job
from tests.surroundings import shop_app

TOKEN, PASSWORD = "tok-0815-x", "swordfish"
ERROR = f"ValueError('{TOKEN} of 4242 was refused, password={PASSWORD}')"
BODY = json.dumps([["4242", 7, TOKEN], {}, {}]).encode()


@pytest.fixture(autouse=True)
def app(console: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def worker(console: str) -> UUID:
    return hire()


@pytest.fixture
def failed(worker: UUID) -> str:
    """A dead letter, a member of a batch, that has said its secrets in every way."""
    batch("sales", name="sales")
    id = record("4242", 7, TOKEN, batch_id="sales")
    hold = claim(id, worker)
    with logs.kept_with_the_end(hold, lambda: f"charging with {TOKEN}\npassword: {PASSWORD}"):
        transitions.retry(
            hold,
            job=again(id),
            stored=None,
            error=ERROR,
        )
    fail(id, worker, error=ERROR)
    Job.objects.using("ledger").filter(id=id).update(batch_id="sales")
    failures.count(limit=10)
    return id


def again(id: str, **more: Any) -> NewJob:
    """Return the same call, as a retry records it."""
    return new_job(id, task="shop.charge", body=BODY, **more)


def is_without_secrets(shown: str) -> bool:
    assert TOKEN not in shown
    assert PASSWORD not in shown
    return STARS in shown


def test_no_page_says_what_its_arguments_hide(viewer: Client, failed: str) -> None:
    print_of = row(failed).fingerprint
    for path in (
        f"jobs/{failed}/",
        "jobs/?state=failed",
        "errors/",
        f"errors/{print_of}/",
        "batches/sales/",
    ):
        answer = viewer.get(f"{ROOT}{path}")
        assert answer.status_code == 200
        assert is_without_secrets(html.unescape(answer.content.decode())), path
        assert is_without_secrets(viewer.get(f"{ROOT}api/{path}").content.decode()), path
    page = viewer.get(f"{ROOT}api/jobs/{failed}/").json()
    assert "of 4242 was refused" in page["error"], "what is no secret is still told"
    (log, *_) = [event["attempt"]["log"] for event in page["events"] if event["attempt"]]
    assert log == [f"charging with {STARS}", f"password: {STARS}"]


def test_overview_and_trials_say_no_more(failed: str) -> None:
    (trouble, *_) = sources.dead_letters(cast(Seen, None))
    assert is_without_secrets(trouble.sentence)
    (sample,) = operations.try_out("replay", {"task": "shop.charge"}).samples
    assert is_without_secrets(sample.error)


def test_command_and_python_say_no_more(failed: str) -> None:
    (letter,) = dead_letters.filter()
    assert is_without_secrets(letter.error)
    (group,) = dead_letters.filter().groups()
    assert is_without_secrets(group.error)
    for words in (
        ("jobs", "show", failed),
        ("jobs", "show", failed, "--json"),
        ("dead-letters", "list"),
        ("dead-letters", "groups", "--json"),
        ("dead-letters", "show", failed),
    ):
        out = StringIO()
        call_command("holdfast", *words, stdout=out, stderr=out)
        assert is_without_secrets(out.getvalue()), words


def test_retry_that_waits_says_its_error_without_secrets(viewer: Client, worker: UUID) -> None:
    id = record("4242", 7, TOKEN)
    transitions.retry(
        claim(id, worker),
        job=again(id, delay_seconds=60.0),
        stored=None,
        error=ERROR,
    )
    (wait, *_) = viewer.get(f"{ROOT}api/jobs/{id}/").json()["waits"]
    assert wait["kind"] == "retry"
    assert is_without_secrets(wait["text"])
    out = StringIO()
    call_command("holdfast", "jobs", "why", id, stdout=out)
    assert is_without_secrets(out.getvalue())


def test_admin_knows_names_and_forms(failed: str) -> None:
    attempts, lines = AttemptAdmin(Attempt, site), AttemptLogAdmin(AttemptLog, site)
    for attempt in Attempt.objects.using("ledger").filter(job=failed):
        shown = attempts.said(attempt) + attempts.said_last(attempt)
        assert PASSWORD not in shown
        assert STARS in shown
    (log,) = AttemptLog.objects.using("ledger").filter(job=failed)
    assert PASSWORD not in lines.said(log)
    for fields, raw in (
        (attempts.get_fields(None), {"error", "traceback"}),  # type: ignore[arg-type]
        (lines.get_fields(None), {"text"}),  # type: ignore[arg-type]
    ):
        assert not raw & set(map(str, fields))


def test_many_jobs_cost_one_statement_and_large_calls_are_not_read(app: Celery) -> None:
    ids = [record("4242", 7, TOKEN) for _ in range(5)]
    large = record("x" * said.LARGEST, 7, TOKEN)
    with CaptureQueriesContext(connections["ledger"]) as asked:
        rules = said.of_jobs(app, dict.fromkeys([*ids, large, "gone"], "shop.charge"))
    assert len(asked) == 1
    assert rules[ids[0]].clean(TOKEN) == STARS
    assert [rules[id].clean(TOKEN) for id in (large, "gone")] == [TOKEN, TOKEN]
    assert rules[large].clean(f"password={PASSWORD}") == f"password={STARS}"


def test_call_that_cannot_be_read_leaves_the_rules_by_name(viewer: Client, worker: UUID) -> None:
    id = fail(record(headers={}, body=b"\xff no body"), worker, error=ERROR)
    shown = viewer.get(f"{ROOT}api/jobs/{id}/").json()["error"]
    assert PASSWORD not in shown
    assert STARS in shown
