"""Orders that nobody goes on with any more: found by their age, and sent on from where they stand."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from holdfast import logs

from .models import Order, Receipt
from .steps import note
from .workflow import go_on

# Longer than a job tries to reach a gateway that is away: before that, it may still be at it.
STUCK_AFTER = timedelta(hours=2)


def stuck(*, older_than: timedelta = STUCK_AFTER) -> QuerySet[Order]:
    """Orders under way that have not moved for so long, the longest first."""
    before = timezone.now() - older_than
    under_way = Order.objects.filter(state__in=Order.UNDER_WAY, moved_at__lt=before)
    return under_way.order_by("moved_at")


def without_receipt(*, older_than: timedelta = STUCK_AFTER) -> QuerySet[Order]:
    """Orders that were confirmed so long ago and whose receipt is not sent."""
    unsent = Receipt.objects.filter(sent_at=None)
    before = timezone.now() - older_than
    return Order.objects.filter(
        pk__in=unsent.values("order"), state=Order.State.CONFIRMED, moved_at__lt=before
    ).order_by("moved_at")


def is_stuck(order: Order) -> bool:
    """Whether the next look sends this order on."""
    return order.goes_on and order.moved_at < timezone.now() - STUCK_AFTER


def heal(*, older_than: timedelta = STUCK_AFTER, most: int = 500) -> int:
    """Send stuck orders on; return how many. An order is looked at again after as long a time."""
    found = [*stuck(older_than=older_than)[:most], *without_receipt(older_than=older_than)[:most]]
    return sum(_send_on(order, older_than=older_than) for order in found)


def _send_on(found: Order, *, older_than: timedelta) -> bool:
    with logs.correlated(found.correlation), transaction.atomic():
        order = Order.objects.select_for_update().get(pk=found.pk)
        if order.moved_at > timezone.now() - older_than:
            return False
        Order.objects.filter(pk=order.pk).update(moved_at=timezone.now())
        note(order, reason="Nobody went on with it: sent on.")
        go_on(order)
    return True
