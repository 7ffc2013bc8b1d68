"""Tasks that handle secrets, for the tests of what is shown of them; a worker gets them by --include."""

from __future__ import annotations

from typing import Any

from celery import shared_task


@shared_task(redact=("card_number", "^iban$"))
def pay(card_number: str, amount: int, **details: Any) -> dict[str, Any]:
    """Return what came in, secrets included."""
    return {"card_number": card_number, "amount": amount, **details}


@shared_task(durable=False)
def sign_in(user: str, password: str, **details: Any) -> dict[str, Any]:
    return {"user": user, "password": password, **details}
