"""What the guide to effects shows is what happens."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import effect
from holdfast.exceptions import EffectInDoubt
from holdfast.ledger.models.effects import Effect, EffectState
from tests.docs.pages import ROOT, examples

BLOCKS = examples(ROOT / "docs" / "guides" / "effects.md", language="python")


class CardDeclined(Exception):
    """The gateway of the guide refuses."""


class Gateway:
    """The gateway of the guide's first examples."""

    def __init__(self, *, declines: bool = False) -> None:
        self.charges: dict[str, int] = {}
        self.declines = declines

    def charge(self, amount: int, *, idempotency_key: str = "none") -> dict[str, int]:
        if self.declines:
            raise CardDeclined
        self.charges[idempotency_key] = amount
        return {"amount": amount}

    def find(self, key: str) -> dict[str, int] | None:
        return {"amount": self.charges[key]} if key in self.charges else None


def run(block: str, **names: Any) -> dict[str, Any]:
    # As a plain function: no app has to know the task.
    code = block.replace("@shared_task\n", "")
    exec(compile(code, "docs/guides/effects.md", "exec"), names)
    return names


def test_example_of_the_guide_to_effects_runs(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(BLOCKS[-1])
    assert "never recorded" in capsys.readouterr().out
    states = Effect.objects.using(ledger).values_list("state", flat=True)
    assert list(states) == [EffectState.DONE] * 2


def test_first_examples_of_the_guide_charge_once(ledger: str) -> None:
    gateway = Gateway()
    names = run(BLOCKS[0], gateway=gateway)
    long_form = names["charge_order"]
    names = run(BLOCKS[1], gateway=gateway, effect=effect)
    assert [long_form(1, 5), long_form(1, 5), names["charge_order"](1, 5)] == [{"amount": 5}] * 3
    assert gateway.charges == {"charge:1": 5}


def test_declined_card_frees_the_key_as_the_guide_says(ledger: str) -> None:
    names = {"effect": effect, "order_id": 2, "amount": 5, "CardDeclined": CardDeclined}
    (declined,) = [block for block in BLOCKS if "except CardDeclined" in block]
    with pytest.raises(CardDeclined):
        run(declined, gateway=Gateway(declines=True), **names)
    assert run(declined, gateway=Gateway(), **names)["charge"].result == {"amount": 5}


def test_doubt_is_found_and_cleared_up_by_hand_as_the_guide_says(
    ledger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError):
        effect("charge:7").once(lambda: 1 // 0)
    with pytest.raises(EffectInDoubt):
        effect("charge:7").once(dict)
    listing, told = [b for b in BLOCKS if "doubt.key" in b or 'effect("charge:7")' in b]
    run(listing.replace("Effect.objects", f"Effect.objects.using({ledger!r})"))
    assert "charge:7" in capsys.readouterr().out
    run(told, effect=effect)
    assert effect("charge:7").once(dict) == {"id": "what the other side said"}
