"""What can be done with one job from its page: by whom, once, and never to a job that has moved on."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings

from holdfast import Celery
from holdfast.dispatch import calls
from holdfast.ledger import audit, publishing
from holdfast.ledger.models import Job
from holdfast.ledger.reads import letters
from holdfast.ledger.states import State
from holdfast.testing.services import RedisServer
from tests.console.job_rows import ROOT, STARS, claim, fail, record, row, tickets_on
from tests.rows import hire
from tests.surroundings import shop_app


@pytest.fixture(autouse=True)
def app(console: str, redis_server: RedisServer) -> Iterator[Celery]:
    with shop_app(redis_server.url, number=13) as app:
        yield app


@pytest.fixture
def worker(console: str) -> UUID:
    return hire()


def post(client: Client, id: str, what: str, **form: Any) -> Any:
    """Send a form with the token the job has now, unless it says another; return the answer."""
    sent = {"token": row(id).token} | form
    return client.post(f"{ROOT}api/jobs/{id}/{what}/", sent, content_type="application/json")


def told(answer: Any) -> str:
    said = answer.json()
    return str(said["message"] if answer.status_code == 200 else said["error"]["message"])


def state(id: str) -> State:
    return State(row(id).state)


def noted(id: str) -> list[tuple[str, str]]:
    return [(line.action, line.actor) for line in audit.lines(job=id)]


def called_with(id: str) -> Any:
    return calls.arguments(current_app, letters.messages([id])[id])


WAYS = ("cancel", "replay", "edit-and-replay", "discard", "run-now", "reroute")


@pytest.mark.parametrize("what", WAYS)
def test_viewers_and_read_only_consoles_do_nothing(
    viewer: Client, administrator: Client, what: str
) -> None:
    id = record("4242", delay_seconds=60.0)
    assert post(viewer, id, what, args="[]", kwargs="{}").status_code == 403
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert post(administrator, id, what, args="[]", kwargs="{}").status_code == 403
    assert (row(id).token, noted(id)) == (1, [])


@pytest.mark.parametrize("what", WAYS)
def test_form_of_an_older_state_is_refused_in_a_clear_sentence(
    operator: Client, worker: UUID, what: str
) -> None:
    id = fail(record("4242", 7), worker)
    answer = post(operator, id, what, token=row(id).token - 1, args="[]", kwargs="{}")
    assert answer.status_code == 409
    assert "has moved on since you looked at it, and is failed now" in told(answer)
    assert noted(id) == []
    assert post(operator, id, what, token=None, args="[]", kwargs="{}").status_code == 422


def test_waiting_job_is_cancelled_once(operator: Client) -> None:
    id = record("4242")
    token = row(id).token
    assert "is cancelled" in told(post(operator, id, "cancel", token=token))
    again = post(operator, id, "cancel", token=token)
    assert (again.status_code, noted(id)) == (409, [("cancel", "operate@test")])
    assert "is over" in told(post(operator, id, "cancel"))


def test_running_job_is_asked_or_stopped(operator: Client, worker: UUID) -> None:
    asked, stopped = record("4242"), record("4243")
    for id in (asked, stopped):
        claim(id, worker)
    assert "was asked to stop" in told(post(operator, asked, "cancel"))
    assert (state(asked), row(asked).cancel_asked_at is not None) == (State.RUNNING, True)
    assert "is cancelled" in told(post(operator, stopped, "cancel", terminate=True))
    assert state(stopped) == State.CANCELLED
    assert noted(asked) == [("ask to stop", "operate@test")]


def test_finished_job_is_replayed_and_published(
    operator: Client, app: Celery, worker: UUID
) -> None:
    id = fail(record("4242", 7), worker)
    assert "back at work" in told(post(operator, id, "replay"))
    assert (state(id), tickets_on(app)) == (State.QUEUED, [id])
    assert noted(id) == [("replay", "operate@test")]
    assert "not over yet" in told(post(operator, id, "replay"))


def test_dead_letter_is_discarded_and_nothing_else_is(operator: Client, worker: UUID) -> None:
    id = fail(record("4242", 7), worker)
    assert "is discarded" in told(post(operator, id, "discard"))
    assert state(id) == State.CANCELLED
    assert "is none" in told(post(operator, id, "discard"))


def test_edit_keeps_what_was_hidden_and_is_held_against_the_task(
    operator: Client, app: Celery, worker: UUID
) -> None:
    id = fail(record("4242", 7, kwargs={"api_token": "hush"}), worker)
    form = operator.get(f"{ROOT}api/jobs/{id}/edit/").json()
    assert STARS in form["kwargs"]
    assert "hush" not in str(form)
    assert "hush" not in operator.get(f"{ROOT}jobs/{id}/edit/").content.decode()
    wrong = post(operator, id, "edit-and-replay", args="[1, 2, 3, 4, 5]", kwargs=form["kwargs"])
    assert "cannot be called with these arguments" in told(wrong)
    assert "no JSON" in told(post(operator, id, "edit-and-replay", args="[", kwargs="{}"))
    stars = post(operator, id, "edit-and-replay", args=f'["{STARS}", 7]', kwargs=form["kwargs"])
    assert "args[0] is stars" in told(stars)
    assert (state(id), noted(id)) == (State.FAILED, [])

    done = post(operator, id, "edit-and-replay", args='["4243", 7]', kwargs=form["kwargs"])
    assert "edited" in told(done)
    assert called_with(id) == (["4243", 7], {"api_token": "hush"})
    assert tickets_on(app) == [id]
    assert noted(id) == [("replay", "operate@test"), ("edit", "operate@test")]


def test_edit_that_changes_nothing_is_a_plain_replay(operator: Client, worker: UUID) -> None:
    id = fail(record("4242", 7, kwargs={"api_token": "hush"}), worker)
    form = operator.get(f"{ROOT}api/jobs/{id}/edit/").json()
    done = post(operator, id, "edit-and-replay", args=form["args"], kwargs=form["kwargs"])
    assert "as it was" in told(done)
    assert noted(id) == [("replay", "operate@test")]


def test_scripts_may_send_the_arguments_themselves(operator: Client, worker: UUID) -> None:
    id = fail(record("4242", 7), worker)
    assert "edited" in told(post(operator, id, "edit-and-replay", args=["4243", 8], kwargs={}))
    assert called_with(id) == (["4243", 8], {})


def test_only_dead_letters_are_edited(operator: Client) -> None:
    id = record("4242", 7)
    assert "Only failed and dead" in operator.get(f"{ROOT}jobs/{id}/edit/").content.decode()
    assert "is none" in told(post(operator, id, "edit-and-replay", args="[]", kwargs="{}"))


def test_wait_for_a_time_is_ended(operator: Client) -> None:
    id = record("4242", delay_seconds=3600.0)
    token = row(id).token
    assert "is due now" in told(post(operator, id, "run-now"))
    assert post(operator, id, "run-now", token=token).status_code == 409
    assert [ticket.id for ticket in publishing.publish_due(limit=10)] == [id]
    assert "nothing to bring forward" in told(post(operator, id, "run-now"))
    assert noted(id) == [("run now", "operate@test")]


def test_job_is_rerouted_and_a_queue_without_a_worker_is_named(
    operator: Client, app: Celery, worker: UUID
) -> None:
    id = record("4242")
    assert "No live worker takes jobs from the queue mail" in told(
        post(operator, id, "reroute", queue="mail", priority=3)
    )
    assert (row(id).queue, row(id).priority) == ("mail", 3)
    assert post(operator, id, "reroute", priority=10).status_code == 422
    assert "is there already" in told(post(operator, id, "reroute", queue="mail"))
    assert noted(id) == [("reroute", "operate@test")]
    claim(id, worker)
    assert "does not wait any more" in told(post(operator, id, "reroute", queue="q"))


def test_page_has_the_buttons_that_fit_and_forms_lead_back(operator: Client, worker: UUID) -> None:
    waiting, failed = record("4242", delay_seconds=60.0), fail(record("4242"), worker)
    buttons = {
        id: {what for what in WAYS if f"/jobs/{id}/{what}/" in page}
        for id in (waiting, failed)
        if (page := operator.get(f"{ROOT}jobs/{id}/").content.decode())
    }
    assert buttons == {waiting: {"cancel", "run-now", "reroute"}, failed: {"replay", "discard"}}
    form = operator.get(f"{ROOT}jobs/{waiting}/reroute/").content.decode()
    assert 'name="token" value="1"' in form
    answer = operator.post(f"{ROOT}jobs/{waiting}/cancel/", {"token": 1, "terminate": "on"})
    assert (answer.status_code, answer["Location"]) == (303, f"{ROOT}jobs/{waiting}/")


def test_job_that_is_gone_is_refused(operator: Client) -> None:
    answer = operator.post(f"{ROOT}api/jobs/nobody/cancel/", {"token": 1})
    assert (answer.status_code, "is gone now" in told(answer)) == (409, True)
    assert operator.get(f"{ROOT}jobs/nobody/cancel/").status_code == 409


def test_form_that_is_sent_twice_at_once_is_done_once(
    operator: Client, console: str, worker: UUID
) -> None:
    together = Barrier(2)
    for _ in range(4):
        id = fail(record("4242"), worker)
        answers: list[int] = []

        def send(id: str = id, token: int = row(id).token, answers: list[int] = answers) -> None:
            together.wait(10)
            try:
                answers.append(post(operator, id, "replay", token=token).status_code)
            finally:
                connections[console].close()

        threads = [Thread(target=send) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(answers) == [200, 409]
        assert noted(id) == [("replay", "operate@test")]


def test_two_people_with_the_same_page_act_once(operator: Client, worker: UUID) -> None:
    id = fail(record("4242"), worker)
    token = row(id).token
    first = post(operator, id, "replay", token=token)
    claim(id, worker)
    second = post(operator, id, "discard", token=token)
    assert (first.status_code, second.status_code, state(id)) == (200, 409, State.RUNNING)
    assert Job.objects.using("ledger").get(id=id).attempts == 2
