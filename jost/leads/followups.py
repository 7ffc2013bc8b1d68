"""Messages to leads that stay in a status: found once a minute by one job at a time, sent once each."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from jost.gateways import clients
from jost.gateways.sending import send_once, was_sent

from .models import Followup, FollowupRule, Lead

# Recorded by one transaction, so that none is long and a kill repeats little.
SLICE = 500
# Twenty tries, each at most an hour and five minutes after the one before.
LONGEST_TRIED = timedelta(days=1)


def collect() -> int:
    """Record a follow-up, and the job that sends it, for each lead that has stalled; return how many.

    It may die anywhere and be called again: what is recorded is not found any more.
    """
    return sum(_collect_rule(rule) for rule in FollowupRule.objects.filter(enabled=True))


def stalled(rule: FollowupRule) -> QuerySet[Lead]:
    """Who has been in the rule's status for longer than its delay and is to get its message now.

    Not who got it in this stay, nor who got it within FOLLOWUP_REPEAT_THRESHOLD minutes, or may
    have: a message of an earlier stay that is not known to be sent counts as sent when its last
    try can have been. Who has stayed longest comes first.
    """
    of_this_rule = Followup.objects.filter(lead=OuterRef("pk"), rule=rule)
    of_this_stay = of_this_rule.filter(stay=OuterRef("status_since"))
    return Lead.objects.filter(
        ~Exists(of_this_stay.exclude(state=Followup.State.SKIPPED)),
        ~Exists(of_this_rule.filter(_perhaps_lately())),
        status=rule.status,
        status_since__lte=_came_by(rule),
    ).order_by("status_since", "pk")


def due(lead: Lead) -> list[tuple[FollowupRule, datetime]]:
    """What a lead gets if it stays where it is, and when; the next one first."""
    in_this_stay = Q(stay=lead.status_since) & ~Q(state=Followup.State.SKIPPED)
    had = lead.followups.filter(in_this_stay | _perhaps_lately())
    rules = FollowupRule.objects.filter(status=lead.status, enabled=True)
    return [
        (rule, lead.status_since + timedelta(minutes=rule.delay))
        for rule in rules.exclude(pk__in=had.values("rule")).order_by("delay")
    ]


def _perhaps_lately() -> Q:
    lately = timezone.now() - timedelta(minutes=settings.FOLLOWUP_REPEAT_THRESHOLD)
    tried = Q(state__in=Followup.OPEN, created_at__gte=lately - LONGEST_TRIED)
    return Q(sent_at__gte=lately) | tried


def _collect_rule(rule: FollowupRule) -> int:
    found, rest = 0, stalled(rule)
    while leads := _record_slice(rule, rest):
        found += len(leads)
        # On from there: those who have theirs are not looked through again for each slice.
        last = leads[-1]
        beyond = Q(status_since__gt=last.status_since)
        rest = stalled(rule).filter(beyond | Q(status_since=last.status_since, pk__gt=last.pk))
    return found


def _record_slice(rule: FollowupRule, leads: QuerySet[Lead]) -> list[Lead]:
    from . import tasks  # they import this module

    with transaction.atomic():
        some = list(leads[:SLICE])
        followups = Followup.objects.bulk_create(
            Followup(lead=lead, rule=rule, stay=lead.status_since) for lead in some
        )
        tasks.send_followup.apply_many([(followup.pk,) for followup in followups])
    return some


def send(followup_id: int) -> None:
    """Send one message, once; none to a lead that has moved on, or that its rule is not for any more."""
    followup = (
        Followup.objects.select_related("lead", "rule")
        .filter(pk=followup_id, state__in=Followup.OPEN)
        .first()
    )
    if followup is None:
        return
    if _stands(followup):
        followup.number = send_once(
            clients.sms, key=followup.key, to=followup.lead.phone, text=followup.rule.text
        )
    else:
        # An attempt that died may have sent it before: then it was sent, whatever came after.
        followup.number = was_sent(clients.sms, key=followup.key)
    if followup.number is None:
        _end(followup, state=Followup.State.SKIPPED)
    else:
        followup.sent_at = timezone.now()
        _end(followup, state=Followup.State.SENT)


def give_up(followup_id: int) -> None:
    """Say that nothing tries a message again; a replay of its job still sends it."""
    waiting = Followup.objects.filter(pk=followup_id, state=Followup.State.WAITING)
    waiting.update(state=Followup.State.FAILED)


def _stands(followup: Followup) -> bool:
    lead, rule = followup.lead, followup.rule
    is_there_still = lead.status == rule.status and lead.status_since == followup.stay
    return rule.enabled and is_there_still and followup.stay <= _came_by(rule)


def _came_by(rule: FollowupRule) -> datetime:
    """When the stays began at the latest that are longer than the delay."""
    return timezone.now() - timedelta(minutes=rule.delay)


def _end(followup: Followup, *, state: Followup.State) -> None:
    followup.state = state
    followup.save(update_fields=["state", "sent_at", "number"])
