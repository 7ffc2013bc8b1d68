"""Effects on both databases: who makes the call, who is told of it, and who is refused."""

from __future__ import annotations

import asyncio
import threading
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
from holdfast.exceptions import AttemptLost, EffectBusy, EffectError, EffectInDoubt
from holdfast.ledger import aside, effects, interventions, transitions
from holdfast.ledger.effect_models import Effect, EffectState
from holdfast.ledger.models import Job
from holdfast.ledger.records import Hold
from holdfast.lineage import running
from holdfast.upkeep.pruner import Pruner
from tests.eventually import eventually
from tests.rows import RESULT, hire, new_job

KEY = "charge:1"


class Gateway:
    """The other side: counts how often it was called, and knows what it did by key."""

    def __init__(self) -> None:
        self.calls = 0
        self.charged: dict[str, dict[str, Any]] = {}

    def charge(self, amount: int, *, key: str = KEY) -> Any:
        self.calls += 1
        self.charged[key] = {"amount": amount, "number": self.calls}
        return self.charged[key]

    def broken(self, *_: Any) -> Any:
        self.calls += 1
        raise ConnectionError("no answer")


@pytest.fixture(autouse=True)
def fresh_threads(ledger: str) -> None:
    """Threads of an earlier ledger would know its database by the same alias."""
    aside._after_fork()


@pytest.fixture
def gateway(ledger: str) -> Gateway:
    return Gateway()


def attempt(job: str | None = None) -> Hold:
    """Return a standing attempt of a new job, or the next attempt of one that was lost or handed back."""
    worker = hire()
    if job is None:
        (ticket,) = transitions.record([new_job()])
        job, token = ticket.id, ticket.token
    else:
        token = Job.objects.using(get_settings().database).get(id=job).token
    batch = transitions.claim([(job, token, False)], worker=worker)
    return Hold(job, batch.claimed[0].token, worker)


def lose(hold: Hold) -> Hold:
    """Take an attempt from its worker; return the next one of the same job."""
    assert transitions.lose(hold, cause="killed") is not None
    return attempt(hold.id)


def leave_in_doubt(hold: Hold | None = None, key: str = KEY) -> None:
    """Begin a call as somebody who dies before it is recorded."""
    found = effects.begin(key, turn=uuid4(), hold=hold, keep=timedelta(days=1), take_over=True)
    assert not found.in_doubt


def row(alias: str, key: str = KEY) -> Effect:
    return Effect.objects.using(alias).get(key=key)


# -- one caller after the other ------------------------------------------------------------------------


def test_call_is_made_once_and_its_result_comes_back_the_same(gateway: Gateway) -> None:
    results = []
    for _ in range(3):
        with effect(KEY) as charge:
            if charge.is_new:
                charge.result = {"paid": (gateway.charge(5)["amount"], charge.key)}
        results.append(charge.result)
    assert gateway.calls == 1
    assert results == [{"paid": [5, KEY]}] * 3


def test_short_form_makes_the_call_once(gateway: Gateway) -> None:
    results = [effect(KEY).once(gateway.charge, 7, key="k") for _ in range(2)]
    assert results == [{"amount": 7, "number": 1}] * 2
    assert gateway.calls == 1


def test_block_without_a_result_is_recorded_with_none(gateway: Gateway) -> None:
    with effect(KEY) as mail:
        gateway.charge(1)
    assert mail.is_new
    with effect(KEY) as again:
        assert again.is_done
    assert mail.result is again.result is None


def test_begin_is_committed_before_the_call_is_made(ledger: str) -> None:
    seen = []

    def look() -> None:
        with connections[ledger].cursor() as cursor:
            cursor.execute("SELECT state FROM holdfast_effect")
            seen.append(cursor.fetchall())
        connections[ledger].close()

    with effect(KEY):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [[(EffectState.BEGUN,)]]


def test_error_in_the_block_leaves_the_call_in_doubt(gateway: Gateway) -> None:
    with pytest.raises(ConnectionError):
        effect(KEY).once(gateway.broken)
    with pytest.raises(EffectInDoubt, match="never recorded"):
        effect(KEY).once(gateway.charge, 5)
    assert gateway.calls == 1


def test_result_that_was_set_before_the_error_is_recorded(gateway: Gateway) -> None:
    def charge_and_fail() -> None:
        with effect(KEY) as charge:
            charge.result = gateway.charge(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        charge_and_fail()
    assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}


def test_call_that_did_not_happen_frees_the_key(ledger: str, gateway: Gateway) -> None:
    def refused() -> None:
        with effect(KEY) as charge:
            charge.did_not_happen()
            assert not Effect.objects.using(ledger).exists()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        refused()
    assert effect(KEY).once(gateway.charge, 5) == {"amount": 5, "number": 1}


def test_doubt_is_cleared_up_in_the_block(gateway: Gateway) -> None:
    leave_in_doubt()
    gateway.charge(5)
    with effect(KEY) as charge:
        assert charge.in_doubt
        assert not charge.is_new
        charge.result = gateway.charged[charge.key]
    with effect(KEY) as again:
        assert again.is_done
    assert again.result == {"amount": 5, "number": 1}
    assert gateway.calls == 1


def test_doubt_is_cleared_up_by_the_short_form(gateway: Gateway) -> None:
    leave_in_doubt()
    assert effect(KEY).once(gateway.charge, 5, in_doubt=lambda turn: turn.key) == KEY
    assert gateway.calls == 0
    leave_in_doubt(key="other")
    assert effect("other").once(gateway.charge, 5, in_doubt="repeat")["number"] == 1


def test_block_that_says_nothing_of_a_doubt_is_told_so(gateway: Gateway) -> None:
    leave_in_doubt()
    for _ in range(2):
        with pytest.raises(EffectInDoubt, match="without a word"), effect(KEY) as charge:
            assert charge.in_doubt


def test_operator_tells_the_ledger_what_happened_as_the_error_says(
    ledger: str, gateway: Gateway
) -> None:
    leave_in_doubt()
    with pytest.raises(EffectInDoubt) as refused:
        effect(KEY).once(gateway.charge, 5)
    assert f"with effect('{KEY}') as e: e.result = ..." in str(refused.value)
    assert row(ledger).times_begun == 1, "asking alone takes the key from nobody"
    with effect(KEY) as e:
        e.result = "paid"
    assert effect(KEY).once(gateway.charge, 5) == "paid"
    assert gateway.calls == 0


def test_result_that_cannot_be_written_says_so_and_leaves_a_doubt(gateway: Gateway) -> None:
    with pytest.raises(EffectError, match="of the type object, which 'json' cannot write"):
        effect(KEY).once(object)
    with effect(KEY) as charge:
        assert charge.in_doubt
        charge.result = None


def test_result_is_refused_where_it_would_change_what_stands(gateway: Gateway) -> None:
    with effect(KEY) as charge:
        charge.result = 1
    with pytest.raises(EffectError, match="outside of its block"):
        charge.result = 2
    with effect(KEY) as again, pytest.raises(EffectError, match="What was recorded stands"):
        again.result = 2
    with effect(KEY) as still, pytest.raises(EffectError, match="cannot be freed"):
        still.did_not_happen()
    assert still.result == 1


@pytest.mark.parametrize("key", ["", "k" * 256, None, "a\0b"])
def test_key_that_cannot_be_kept_is_refused(ledger: str, key: Any) -> None:
    with pytest.raises(EffectError, match="1 to 255 characters"):
        effect(key)


def test_misuse_is_refused_with_its_repair(ledger: str) -> None:
    with pytest.raises(EffectError, match="HOLDFAST\\['effect_days'\\]"):
        effect(KEY, keep=timedelta())
    with pytest.raises(EffectError, match="says nothing"):
        effect(KEY).once(dict, in_doubt="maybe")  # type: ignore[arg-type]  # that is the misuse
    with effect(KEY) as charge, pytest.raises(EffectError, match="open already"), charge:
        pass
    with pytest.raises(EffectError, match="has no result"):
        _ = effect("other").result


# -- attempts ------------------------------------------------------------------------------------------


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
        assert asked.wait(20)
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


# -- transactions, loops, lost answers -----------------------------------------------------------------


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


# -- how long ------------------------------------------------------------------------------------------


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
