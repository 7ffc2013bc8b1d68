"""The jobs of accounts: one for each mail, and one that looks whether any was forgotten."""

from __future__ import annotations

from celery import shared_task

import holdfast
from jost.gateways.sending import RETRIES

from . import forgetting, mails


@shared_task(
    name="jost.accounts.send_mail",
    retry_rules=RETRIES,
    unique=holdfast.Unique(by="mail_id", scope="unfinished"),
)
def send_mail(mail_id: int) -> None:
    """Send one mail, once."""
    mails.send(mail_id)


@holdfast.singleton_task(name="jost.accounts.find_unsent", on_conflict="skip")
def find_unsent() -> int:
    """Send what should have been sent by now."""
    return mails.recover()


@holdfast.singleton_task(name="jost.accounts.forget_unused", on_conflict="skip")
def forget_unused() -> int:
    """Delete the accounts that nobody activated."""
    return forgetting.forget()
