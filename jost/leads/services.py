"""Every move of a lead: who changes its status records the event, and tells the CRM after the commit."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from jost.gateways import clients
from jost.gateways.sending import send_once

from .models import Lead, LeadEvent, Status


class SameStatusError(ValueError):
    """The lead is in this status already: nothing would change."""


class PhoneTakenError(ValueError):
    """There is a lead with this number already."""


def add_lead(phone: str) -> Lead:
    """Record a new lead and its first event; both, or neither.

    Raises `PhoneTakenError` for a number that is known: of two who add it at once, one gets it.
    """
    try:
        with transaction.atomic():
            lead = Lead.objects.create(phone=phone)
            _record(lead, at=lead.status_since)
    except IntegrityError:
        if not Lead.objects.filter(phone=phone).exists():
            raise
        raise PhoneTakenError(f"There is a lead {phone} already.") from None
    return lead


def move(lead_id: int, *, status: Status) -> LeadEvent:
    """Move a lead and record that, in one transaction; raises `SameStatusError` if it is there."""
    with transaction.atomic():
        lead = _locked(lead_id)
        if lead.status == status:
            raise SameStatusError(f"Lead {lead_id} is {status} already: choose another status.")
        return _begin_stay(lead, status=status)


def report(lead_id: int, *, status: Status) -> LeadEvent:
    """Record that a lead is in a status, and move it there if it is not, in one transaction.

    One that is there already stays: its stay, and with it its messages, goes on as it was.
    """
    with transaction.atomic():
        lead = _locked(lead_id)
        if lead.status == status:
            return _record(lead, at=timezone.now())
        return _begin_stay(lead, status=status)


def tell_crm(event_id: int) -> None:
    """Tell the CRM of an event, once; not of a lead that was deleted meanwhile."""
    event = LeadEvent.objects.select_related("lead").filter(pk=event_id).first()
    if event is None or event.told_crm_at is not None:
        return
    send_once(
        clients.crm,
        key=f"lead-event:{event.pk}",
        lead=event.lead.phone,
        status=event.status,
        at=event.created_at.isoformat(),
    )
    LeadEvent.objects.filter(pk=event_id).update(told_crm_at=timezone.now())


def _locked(lead_id: int) -> Lead:
    # The row lock: of two who move it at once, the second sees what the first did.
    return Lead.objects.select_for_update().get(pk=lead_id)


def _begin_stay(lead: Lead, *, status: Status) -> LeadEvent:
    lead.status, lead.status_since = status, timezone.now()
    lead.save(update_fields=["status", "status_since"])
    return _record(lead, at=lead.status_since)


def _record(lead: Lead, *, at: datetime) -> LeadEvent:
    from . import tasks  # they import this module

    event = LeadEvent.objects.create(lead=lead, status=lead.status, created_at=at)
    tasks.tell_crm.delay(event.pk)
    return event
