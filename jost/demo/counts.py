"""What JOST's own tables say should have happened in the world, beside what the gateways say has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from jost.accounts.models import Mail
from jost.demo.makers import NAME
from jost.leads.followups import stalled
from jost.leads.models import Followup, FollowupRule, LeadEvent
from jost.orders.models import Order, Payment, Receipt
from jost.simulations.models import Simulation

# Nobody goes on with what is open for longer; a gateway that is away for minutes is waited for.
LOST_AFTER = timedelta(minutes=10)

State = Order.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """By JOST's own tables: done according to them, still open, and since when the oldest of these is."""

    done: int
    open: int
    late: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One kind of effect: what JOST owes beside what its gateway has recorded."""

    name: str
    owed: Owed
    happened: int
    twice: int

    @property
    def lost(self) -> int:
        """Done by JOST's word alone, or open for so long that nobody does it any more."""
        return max(0, self.owed.done - self.happened) + self.owed.late


def promises() -> list[Promise]:
    """Compare all kinds of effects. The tables are read first.

    An effect happens before JOST notes it: whatever the tables call done is in a record that is
    asked later.
    """
    owed = {kind: (name, ask()) for kind, (name, ask) in OWED.items()}
    record = requests.get(f"{settings.JOST_GATEWAYS_URL}/record", timeout=5).json()
    nothing = {"keys": 0, "twice": 0}
    return [
        Promise(
            name=name,
            owed=each,
            happened=record.get(kind, nothing)["keys"],
            twice=record.get(kind, nothing)["twice"],
        )
        for kind, (name, each) in owed.items()
    ]


def open_since(promises: Iterable[Promise]) -> float | None:
    """When the oldest thing was asked for that has not happened yet, in seconds since 1970."""
    moments = [each.owed.since for each in promises]
    active = Simulation.objects.filter(name=NAME, state__in=Simulation.ACTIVE)
    moments.append(active.order_by("created_at").values_list("created_at", flat=True).first())
    return _earliest(moments)


def behind_since() -> float | None:
    """Since when the longest overdue message by a rule has waited for the scheduler to look."""
    moments: list[datetime | None] = []
    for rule in FollowupRule.objects.filter(enabled=True):
        first = stalled(rule).values_list("status_since", flat=True).first()
        if first is not None:
            moments.append(first + timedelta(minutes=rule.delay))
    return _earliest(moments)


def _earliest(moments: Iterable[datetime | None]) -> float | None:
    known = [moment.timestamp() for moment in moments if moment is not None]
    return min(known, default=None)


def _owed(done: int, *, still_open: Iterable[tuple[QuerySet[Any], str]]) -> Owed:
    number, late, moments = 0, 0, []
    before = timezone.now() - LOST_AFTER
    for things, began in still_open:
        number += things.count()
        late += things.filter(**{f"{began}__lt": before}).count()
        moments.append(things.order_by(began).values_list(began, flat=True).first())
    known = [moment for moment in moments if moment is not None]
    return Owed(done=done, open=number, late=late, since=min(known, default=None))


def _charges() -> Owed:
    done = Payment.objects.exclude(charged_at=None).count()
    before = Order.objects.filter(state__in=(State.PLACED, State.RESERVED))
    return _owed(done, still_open=[(before, "created_at")])


def _refunds() -> Owed:
    done = Payment.objects.exclude(refunded_at=None).count()
    return _owed(done, still_open=[(Order.objects.filter(state=State.REFUNDING), "moved_at")])


def _mails() -> Owed:
    sent = ~Q(sent_at=None)
    done = Receipt.objects.filter(sent).count() + Mail.objects.filter(sent).count()
    receipts = Order.objects.filter(
        Q(state=State.CHARGED) | Q(receipt__isnull=False, receipt__sent_at=None)
    )
    return _owed(
        done,
        still_open=[(receipts, "created_at"), (Mail.objects.filter(sent_at=None), "asked_at")],
    )


def _messages() -> Owed:
    done = Followup.objects.filter(state=Followup.State.SENT).count()
    waiting = Followup.objects.filter(state__in=Followup.OPEN)
    return _owed(done, still_open=[(waiting, "created_at")])


def _words() -> Owed:
    done = LeadEvent.objects.exclude(told_crm_at=None).count()
    return _owed(done, still_open=[(LeadEvent.objects.filter(told_crm_at=None), "created_at")])


OWED: dict[str, tuple[str, Callable[[], Owed]]] = {
    "charges": ("Payments taken", _charges),
    "refunds": ("Payments given back", _refunds),
    "mail": ("Mails", _mails),
    "sms": ("SMS to leads", _messages),
    "crm": ("Words to the CRM", _words),
}
