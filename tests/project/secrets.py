"""Tasks that handle secrets, for the tests of what is shown of them; a worker gets them by --include."""

from __future__ import annotations

import os
import signal
from typing import Any

from celery import shared_task

from tests.project.tasks import note, noted


@shared_task(redact=("card_number", "^iban$"))
def pay(card_number: str, amount: int, **details: Any) -> dict[str, Any]:
    """Return what came in, secrets included."""
    return {"card_number": card_number, "amount": amount, **details}


@shared_task(durable=False)
def sign_in(user: str, password: str, **details: Any) -> dict[str, Any]:
    return {"user": user, "password": password, **details}


@shared_task(bind=True, encrypt=True, max_retries=3)
def confide(self: Any, words: str, how: str = "return") -> Any:
    """Leave with the words in the way that is asked for."""
    note(f"start {how}")
    if how == "raise":
        raise ValueError(words)
    if how == "retry" and self.request.retries == 0:
        raise self.retry(exc=ValueError(words), countdown=0)
    if how == "progress":
        self.update_state(state="PROGRESS", meta={"so far": words})
    if how == "die once" and noted("start die once") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return words


@shared_task(encrypt=True)
def gather(found: Any) -> Any:
    return found


@shared_task
def told_of(request: Any, exc: BaseException, traceback: Any) -> None:
    """Be an error callback that takes the error with its words."""
    note(f"told of {type(exc).__name__} with {len(str(exc))} letters")
