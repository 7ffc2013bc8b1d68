"""What the pages tell users to do in their own tests works as they say."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery as PlainCelery
from django.db import connections, transaction
from django.test import TestCase
from kombu import Connection
from kombu.exceptions import DecodeError

from holdfast import Celery
from holdfast.broker import messages
from holdfast.ledger.models import Job
from holdfast.ledger.states import State
from holdfast.tickets import Ticket
from tests.docs.pages import ROOT
from tests.eventually import eventually
from tests.harness import new_site


@pytest.fixture
def receipt() -> Iterator[Any]:
    """A task of a fresh app, which does not know yet that its broker is not there."""
    app = Celery("examples", broker="redis://127.0.0.1:1/0", set_as_current=False)

    @app.task(name="examples.receipt", shared=False)
    def receipt(order: int) -> str:
        return f"receipt of {order}"

    yield receipt
    app.outbox.publisher.available = True  # ends its probe


def test_a_test_case_sees_the_row_and_the_publication(ledger: str, receipt: Any) -> None:
    with (
        transaction.atomic(using=ledger),
        TestCase.captureOnCommitCallbacks(using=ledger) as callbacks,
    ):
        sent = [receipt.delay(7), receipt.delay(8)]
        rows = Job.objects.using(ledger).filter(id__in=[result.id for result in sent])
        assert {row.get_state_display() for row in rows} == {"queued"}
        transaction.set_rollback(True, using=ledger)
    assert len(callbacks) == 1
    assert not Job.objects.using(ledger).exists()


def test_eager_mode_records_nothing(ledger: str, receipt: Any) -> None:
    receipt.app.conf.task_always_eager = True
    assert receipt.delay(7).get() == "receipt of 7"
    assert not Job.objects.using(ledger).exists()


def test_task_called_directly_is_the_function(ledger: str, receipt: Any) -> None:
    assert receipt(7) == "receipt of 7"
    assert not Job.objects.using(ledger).exists()


def test_call_in_a_transaction_that_rolls_back_leaves_nothing(ledger: str, receipt: Any) -> None:
    with transaction.atomic(using=ledger):
        receipt.delay(7)
        transaction.set_rollback(True, using=ledger)
    assert not Job.objects.using(ledger).exists()
    assert receipt.app.outbox.publisher.available, "the broker was not even asked"


def test_job_with_an_eta_waits_in_the_ledger(ledger: str, receipt: Any) -> None:
    sent = receipt.apply_async((7,), countdown=30 * 24 * 3600)
    row = Job.objects.using(ledger).get(id=sent.id)
    assert (row.state, row.hold) == (State.HELD, "eta")
    assert receipt.app.outbox.publisher.available, "the broker was not even asked"


def test_ticket_carries_no_arguments_and_only_our_keys_sign_it() -> None:
    message = json.loads(messages.encode(Ticket("id", 1, "examples.receipt", "celery", 0)))
    assert base64.b64decode(message["body"]) == b"-"
    assert messages.is_authentic(message["headers"], queue="celery")
    assert not messages.is_authentic(message["headers"], queue="another")
    message["headers"]["id"] = "forged"
    assert not messages.is_authentic(message["headers"], queue="celery")


def test_plain_worker_drops_a_ticket_and_lives() -> None:
    message = json.loads(messages.encode(Ticket("id", 1, "examples.receipt", "celery", 0)))
    with Connection("memory://") as connection:
        delivered = connection.default_channel.Message(message, channel=connection.default_channel)
        # Celery's consumer drops what raises this; any other error would end the worker.
        with pytest.raises(DecodeError):
            _ = delivered.payload


@pytest.mark.slow
def test_messages_that_plain_celery_queued_are_run(request: pytest.FixtureRequest) -> None:
    with new_site("sqlite", request) as site:
        before = PlainCelery("before", broker=site.broker_url, set_as_current=False)
        for name, options in {"waiting": {}, "later": {"countdown": 0.5}}.items():
            before.send_task("tests.project.tasks.effect", [name], **options)

        worker = site.worker()

        def both_ran() -> bool:
            counts = site.effect_counts()
            return counts["end waiting"] == counts["end later"] == 1

        eventually(both_ran, told="what was queued before the move has run")
        assert site.jobs() == {}, "they are plain Celery's: the ledger does not know them"
        worker.stop()


@pytest.mark.parametrize("command", ["inspect ping -t 0.1", "control -t 0.1 ping", "purge -f"])
def test_celery_commands_work_without_setting_django_up(
    command: str, request: pytest.FixtureRequest
) -> None:
    with new_site("sqlite", request) as site:
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "tests.project", *command.split()],
            cwd=ROOT,
            env=site.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert "Apps aren't loaded" not in done.stdout + done.stderr


def test_call_without_a_broker_is_held_for_the_relay(ledger: str, receipt: Any) -> None:
    sent = receipt.delay(7)
    row = Job.objects.using(ledger).get(id=sent.id)
    assert (row.state, row.hold) == (State.HELD, "relay")
    assert not connections[ledger].in_atomic_block
