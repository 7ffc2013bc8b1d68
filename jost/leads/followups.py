"""Messages to leads that stay in a status: found once a minute by one job at a time, sent once each."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from jost.gateways import clients
from jost.gateways.sending import send_once

from .models import Followup, FollowupRule, Lead

# Recorded by one transaction, so that none is long and a kill repeats little.
SLICE = 500


def collect() -> int:
    """Record a follow-up, and the job that sends it, for each lead that has stalled; return how many.

    It may die anywhere and be called again: what is recorded is not found any more.
    """
    return sum(_collect_rule(rule) for rule in FollowupRule.objects.filter(enabled=True))


def stalled(rule: FollowupRule) -> QuerySet[Lead]:
    """Who has been in the rule's status for longer than its delay and is to get its message now.

    Not who got it in this stay, nor who got it within FOLLOWUP_REPEAT_THRESHOLD minutes.
    """
    now = timezone.now()
    lately = now - timedelta(minutes=settings.FOLLOWUP_REPEAT_THRESHOLD)
    of_this_rule = Followup.objects.filter(lead=OuterRef("pk"), rule=rule)
    return Lead.objects.filter(
        ~Exists(of_this_rule.filter(stay=OuterRef("status_since"))),
        ~Exists(of_this_rule.filter(created_at__gt=lately).exclude(state=Followup.State.SKIPPED)),
        status=rule.status,
        status_since__lte=now - timedelta(minutes=rule.delay),
    ).order_by("status_since")


def _collect_rule(rule: FollowupRule) -> int:
    from . import tasks  # they import this module

    found = 0
    while True:
        with transaction.atomic():
            followups = Followup.objects.bulk_create(
                Followup(lead=lead, rule=rule, stay=lead.status_since)
                for lead in stalled(rule)[:SLICE]
            )
            tasks.send_followup.apply_many([(followup.pk,) for followup in followups])
        found += len(followups)
        if len(followups) < SLICE:
            return found


def send(followup_id: int) -> None:
    """Send one message, once; none to a lead that has moved on or whose rule was switched off."""
    followup = Followup.objects.select_related("lead", "rule").get(pk=followup_id)
    if followup.state != Followup.State.WAITING:
        return
    if not _stands(followup):
        _end(followup, state=Followup.State.SKIPPED)
        return
    followup.number = send_once(
        clients.sms, key=followup.key, to=followup.lead.phone, text=followup.rule.text
    )
    followup.sent_at = timezone.now()
    _end(followup, state=Followup.State.SENT)


def _stands(followup: Followup) -> bool:
    lead, rule = followup.lead, followup.rule
    return rule.enabled and lead.status == rule.status and lead.status_since == followup.stay


def _end(followup: Followup, *, state: Followup.State) -> None:
    followup.state = state
    followup.save(update_fields=["state", "sent_at", "number"])
