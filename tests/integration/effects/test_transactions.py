"""Effects on both databases: transactions around them, event loops, lost answers, and how long they are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest
from django.db import OperationalError, connections, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test import TestCase, override_settings

from holdfast import effect
from holdfast.conf import get_settings
from holdfast.exceptions import EffectError, EffectInDoubt
from holdfast.ledger import effects, interventions, transitions
from holdfast.ledger.models import Job
from holdfast.ledger.models.effects import Effect
from holdfast.lineage import running
from holdfast.upkeep.pruner import Pruner
from tests.integration.effects.calls import KEY, Gateway, attempt, leave_in_doubt, row
from tests.rows import RESULT


def test_effect_stays_when_the_transaction_around_it_rolls_back(
    ledger: str, gateway: Gateway
) -> None:
    def charge_and_fail() -> None:
        with transaction.atomic(using=ledger):
            effect(KEY).once(gateway.charge, 5)
            raise ZeroDivisionError

    if connections[ledger].vendor == "sqlite":
        with pytest.raises(EffectError, match="SQLite's only writer"):
            charge_and_fail()
        assert gateway.calls == 0
        return
    with pytest.raises(ZeroDivisionError):
        charge_and_fail()
    assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}
    assert gateway.calls == 1


def test_atomic_body_that_has_locked_its_own_job_does_not_wait_for_itself(
    ledger: str, gateway: Gateway
) -> None:
    hold = attempt()
    with running(hold), transaction.atomic(using=ledger):
        transitions.store_result(hold.id, RESULT, hold=hold)
        if connections[ledger].vendor == "sqlite":
            with pytest.raises(EffectError, match="take atomic=True off the task"):
                effect(KEY).once(gateway.charge, 5)
        else:
            assert effect(KEY).once(gateway.charge, 5)["number"] == 1


def test_connection_without_autocommit_counts_as_a_transaction(
    ledger: str, gateway: Gateway
) -> None:
    here = connections[ledger]
    here.ensure_connection()
    here.set_autocommit(False)
    try:
        if here.vendor == "sqlite":
            with pytest.raises(EffectError, match="SQLite's only writer"):
                effect(KEY).once(gateway.charge, 5)
        else:
            effect(KEY).once(gateway.charge, 5)
        here.rollback()
    finally:
        here.set_autocommit(True)
    assert Effect.objects.using(ledger).count() == gateway.calls


class Framed(TestCase):
    """What a project's own test case opens around each of its tests."""

    databases = {"ledger"}


def test_frame_of_a_test_case_is_no_transaction_that_effects_mind(
    ledger: str, gateway: Gateway
) -> None:
    frames: Any = Framed
    opened = frames._enter_atomics()
    try:
        for _ in range(2):
            assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}
    finally:
        frames._rollback_atomics(opened)
    assert not Effect.objects.using(ledger).exists(), "they are rolled back with the test"


def test_async_code_makes_the_call_once(gateway: Gateway) -> None:
    async def charge(amount: int) -> dict[str, Any]:
        await asyncio.sleep(0)
        return gateway.charge(amount)

    async def found(turn: Any) -> str:
        await asyncio.sleep(0)
        return str(turn.key)

    async def all_of_it() -> list[Any]:
        async with effect(KEY) as block:
            if block.is_new:
                block.result = await charge(5)
        with pytest.raises(ConnectionError):
            await effect("other").aonce(gateway.broken)
        with pytest.raises(EffectInDoubt):
            await effect("other").aonce(charge, 5)
        return [
            block.result,
            await effect(KEY).aonce(charge, 5),
            await effect("other").aonce(charge, 5, in_doubt=found),
            effect(KEY).once(gateway.charge, 5),
        ]

    made = {"amount": 5, "number": 1}
    assert asyncio.run(all_of_it()) == [made, made, "other", made]


def test_attempt_is_known_in_async_code_too(ledger: str) -> None:
    async def begin() -> None:
        async with effect(KEY):
            pass

    hold = attempt()
    with running(hold):
        asyncio.run(begin())
    assert row(ledger).job == hold.id


@pytest.mark.parametrize("function", ["begin", "record"])
def test_lost_answer_of_the_database_changes_nothing(
    ledger: str, gateway: Gateway, function: str
) -> None:
    real = getattr(effects, function)
    answers = []

    def lossy(*args: Any, **kwargs: Any) -> Any:
        answers.append(real(*args, **kwargs))
        if len(answers) == 1:
            raise OperationalError("the answer is lost")
        return answers[-1]

    with running(attempt()), mock.patch.object(effects, function, lossy), effect(KEY) as charge:
        assert charge.is_new
        charge.result = gateway.charge(5)
    assert len(answers) == 2
    assert charge.result == {"amount": 5, "number": 1}
    assert row(ledger).times_begun == 1


def test_lost_answer_to_a_take_over_still_says_in_doubt(ledger: str) -> None:
    leave_in_doubt()
    turn = uuid4()
    for _ in range(2):
        found = effects.begin(KEY, turn=turn, hold=None, keep=timedelta(days=1), take_over=True)
        assert found.in_doubt
    assert row(ledger).times_begun == 2


def age(ledger: str, by: timedelta, **which: Any) -> None:
    Effect.objects.using(ledger).filter(**which).update(
        begun_at=F("begun_at") - by, expires_at=F("expires_at") - by
    )


def test_effect_is_kept_as_long_as_it_says_and_then_free_again(
    ledger: str, gateway: Gateway
) -> None:
    effect("short", keep=timedelta(hours=1)).once(gateway.charge, 1)
    effect("usual").once(gateway.charge, 1)
    leave_in_doubt(key="doubt")
    age(ledger, timedelta(minutes=59))
    pruner = Pruner(results_kept_seconds=None)
    assert pruner.one_pass() == 0
    age(ledger, timedelta(minutes=2))
    assert pruner.one_pass() == 1
    with override_settings(HOLDFAST={"database": ledger, "prune_batch": 1}):
        age(ledger, timedelta(days=get_settings().effect_days))
        assert [pruner.one_pass() for _ in range(3)] == [1, 1, 0]
    with effect("usual") as usual:
        assert usual.is_new


def test_effect_outlives_its_time_while_its_job_can_be_repeated(
    ledger: str, gateway: Gateway
) -> None:
    hold = attempt()
    with running(hold):
        effect(KEY, keep=timedelta(hours=1)).once(gateway.charge, 5)
    transitions.succeed(hold, stored=None)
    age(ledger, timedelta(hours=2))
    pruner = Pruner(results_kept_seconds=None)
    assert pruner.one_pass() == 1
    assert pruner.one_pass() == 0, "it is not looked at again at every pass"
    kept = Effect.objects.using(ledger).annotate(left=F("expires_at") - Now()).get()
    assert timedelta(minutes=119) < kept.left < timedelta(minutes=121)

    assert interventions.replay(hold.id) is not None
    with running(attempt(hold.id)):
        assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}
    Job.objects.using(ledger).all().delete()
    age(ledger, timedelta(hours=3))
    assert pruner.one_pass() == 1
    assert not Effect.objects.using(ledger).exists()
