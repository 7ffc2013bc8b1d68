"""Effects on both databases, one caller after the other: who makes the call, who is told of it, who is refused."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from holdfast import effect
from holdfast.exceptions import EffectError, EffectInDoubt
from holdfast.ledger.models.effects import Effect, EffectState
from tests.integration.effects.calls import KEY, Gateway, leave_in_doubt, row


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
