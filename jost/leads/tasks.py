"""The jobs of leads: one that looks who has stalled, one per message, one per word to the CRM."""

from __future__ import annotations

from typing import Any

from celery import shared_task

import holdfast
from jost.gateways.sending import RETRIES

from . import followups, services

# What the CRM takes from all workers together; another rate is set in the console, at run time.
CRM = holdfast.Limit("crm", rate="50/s")


@holdfast.singleton_task(name="jost.leads.collect_followups", on_conflict="skip")
def collect_followups() -> int:
    """Find who has stalled; one at a time, whoever asks for it."""
    return followups.collect()


def give_up(_task: Any, _error: Exception, _job: str, args: tuple[int], *_: Any) -> None:
    """Show on the pages that nothing tries a message again.

    A worker that dies right here misses it, which does no harm: the dead letter tells, too.
    """
    followups.give_up(args[0])


@shared_task(name="jost.leads.send_followup", retry_rules=RETRIES, on_failure=give_up)
def send_followup(followup_id: int) -> None:
    """Send one SMS, once."""
    followups.send(followup_id)


@shared_task(name="jost.leads.tell_crm", limit=CRM, retry_rules=RETRIES)
def tell_crm(event_id: int) -> None:
    """Tell the CRM what became of a lead, once."""
    services.tell_crm(event_id)
