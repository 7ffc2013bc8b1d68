"""Effects of attempts on both databases: lost, repeated, and at the same time."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.db import connections, transaction

from holdfast import effect
from holdfast.exceptions import AttemptLost, EffectBusy, EffectInDoubt
from holdfast.ledger import effects, transitions
from holdfast.ledger.models.effects import Effect, EffectState
from holdfast.ledger.records import Hold
from holdfast.lineage import running
from tests.eventually import eventually
from tests.integration.effects.calls import KEY, Gateway, attempt, leave_in_doubt, lose, row


def test_next_attempt_of_a_lost_one_finds_the_call_in_doubt(ledger: str, gateway: Gateway) -> None:
    first = attempt()
    leave_in_doubt(first)
    second = lose(first)
    with running(second), effect(KEY) as charge:
        assert charge.in_doubt
        charge.result = gateway.charge(5)
    kept = row(ledger)
    assert (kept.job, kept.token, kept.times_begun) == (second.id, second.token, 2)


def test_next_attempt_of_a_lost_one_finds_what_was_recorded(gateway: Gateway) -> None:
    first = attempt()
    with running(first):
        effect(KEY).once(gateway.charge, 5)
    with running(lose(first)):
        assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}
    assert gateway.calls == 1


def test_same_attempt_that_comes_again_after_an_error_is_in_doubt_and_not_busy(
    gateway: Gateway,
) -> None:
    with running(attempt()):
        with pytest.raises(ConnectionError):
            effect(KEY).once(gateway.broken)
        assert effect(KEY).once(gateway.charge, 5, in_doubt="repeat")["number"] == 2


def test_attempt_that_lost_its_job_begins_nothing(ledger: str, gateway: Gateway) -> None:
    zombie = attempt()
    lose(zombie)
    with running(zombie), pytest.raises(AttemptLost):
        effect(KEY).once(gateway.charge, 5)
    assert gateway.calls == 0
    assert not Effect.objects.using(ledger).exists()


def test_attempt_that_lost_its_job_meanwhile_records_nothing(ledger: str, gateway: Gateway) -> None:
    zombie = attempt()
    heirs = []

    def charge_for_too_long() -> None:
        with running(zombie), effect(KEY) as charge:
            heirs.append(lose(zombie))
            charge.result = "of the zombie"

    with pytest.raises(AttemptLost):
        charge_for_too_long()
    assert row(ledger).state == EffectState.BEGUN
    with running(heirs[0]), effect(KEY) as charge:
        assert charge.in_doubt
        charge.result = "of the heir"
    assert effect(KEY).once(gateway.charge, 5) == "of the heir"


def test_attempt_that_lost_its_job_frees_nothing(ledger: str) -> None:
    zombie = attempt()

    def free_too_late() -> None:
        with running(zombie), effect(KEY) as charge:
            with running(lose(zombie)), pytest.raises(EffectInDoubt), effect(KEY):
                pass
            charge.did_not_happen()

    with pytest.raises(AttemptLost):
        free_too_late()
    assert row(ledger).times_begun == 2


def test_attempt_that_lost_its_job_while_it_waited_for_the_key_begins_nothing(
    ledger: str,
) -> None:
    zombie = attempt()
    refused: list[AttemptLost] = []

    def begin() -> None:
        try:
            leave_in_doubt(zombie)
        except AttemptLost as lost:
            refused.append(lost)
        finally:
            connections[ledger].close()

    waiter = threading.Thread(target=begin)
    with transaction.atomic(using=ledger):
        turn = uuid4()
        effects.begin(KEY, turn=turn, hold=None, keep=timedelta(days=1), take_over=True)
        waiter.start()
        if connections[ledger].vendor == "postgresql":
            eventually(lambda: _waits(ledger), told="the attempt waits for the key")
        # All of it becomes true at one moment: the job is lost, and the key is free.
        transitions.lose(zombie, cause="killed")
        effects.free(KEY, turn=turn, hold=None)
    waiter.join(30)
    assert len(refused) == 1
    assert not Effect.objects.using(ledger).exists()


def _waits(ledger: str) -> bool:
    with connections[ledger].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_error_of_the_body_is_not_hidden_by_a_record_that_is_refused(
    caplog: pytest.LogCaptureFixture, ledger: str
) -> None:
    zombie = attempt()

    def fail_as_zombie() -> None:
        with running(zombie), effect(KEY) as charge:
            charge.result = 1
            lose(zombie)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_as_zombie()
    assert "its call was made and is not recorded" in caplog.text


def test_two_jobs_do_not_make_one_call_at_the_same_time(gateway: Gateway) -> None:
    first, second = attempt(), attempt()
    with running(first), effect(KEY) as charge:
        with running(second), pytest.raises(EffectBusy, match=f"by job {first.id}"), effect(KEY):
            pass
        charge.result = gateway.charge(5)
    with running(second):
        assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}


@pytest.mark.parametrize("ending", ["record", "lose"])
def test_caller_that_waits_gets_what_the_other_one_leaves(ledger: str, ending: str) -> None:
    first, second = attempt(), attempt()
    leave_in_doubt(first)
    asked = threading.Event()
    found: list[Any] = []
    real = effects.begin

    def begin(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        asked.set()
        return answer

    def wait() -> None:
        with running(second), effect(KEY, wait=30) as charge:
            found.append(charge.is_done or charge.in_doubt)
            if charge.in_doubt:
                charge.result = "found"
        found.append(charge.result)
        connections[ledger].close()

    with mock.patch.object(effects, "begin", begin):
        waiter = threading.Thread(target=wait)
        waiter.start()
        assert asked.wait(60)
        assert not found
        if ending == "record":
            done = effects.Encoded(b'"made"', "application/json", "utf-8")
            effects.record(KEY, done, turn=uuid4(), hold=first, keep=timedelta(days=1))
        else:
            transitions.lose(first, cause="killed")
        waiter.join(20)
    assert found == [True, "made" if ending == "record" else "found"]


def test_caller_outside_of_all_jobs_may_be_overtaken_and_what_was_recorded_first_stands(
    gateway: Gateway,
) -> None:
    with effect(KEY) as slow:
        with effect(KEY) as quick:
            assert quick.in_doubt
            quick.result = "quick"
        slow.result = "slow"
    assert slow.result == "quick"
    with effect("freed") as slow:
        with effect("freed") as quick:
            quick.did_not_happen()
        slow.result = "slow"
    assert effect("freed").once(gateway.charge, 5) == "slow"


def test_many_callers_at_once_make_one_call(ledger: str, gateway: Gateway) -> None:
    holds = [attempt() for _ in range(6)]
    results = []

    def call(hold: Hold) -> None:
        with running(hold):
            results.append(effect(KEY, wait=30).once(gateway.charge, 5))
        connections[ledger].close()

    threads = [threading.Thread(target=call, args=(hold,)) for hold in holds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [{"amount": 5, "number": 1}] * len(holds)
    assert gateway.calls == 1
