"""Accounts that nobody activated, and whose links are too old: deleted with their addresses, by a daily job."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from .models import Account, Mail

# Longer than a link lasts: nobody comes to an account that is gone.
KEPT = timedelta(days=7)
SLICE = 500


def unused() -> QuerySet[Account]:
    """Accounts that were not activated, and for which no mail was asked lately; the oldest first."""
    before = timezone.now() - KEPT
    asked_lately = Mail.objects.filter(asked_at__gte=before).values("account")
    return (
        Account.objects.filter(activated_at=None, created_at__lt=before)
        # Whom somebody let in all the same, or who has been in, is no stranger.
        .filter(user__is_active=False, user__is_staff=False, user__last_login=None)
        .exclude(pk__in=asked_lately)
        .order_by("created_at")
    )


def forget(*, most: int = SLICE) -> int:
    """Delete unused accounts with their users and mails; return how many."""
    return sum(_forget(user) for user in unused().values_list("user", flat=True)[:most])


def _forget(user_id: int) -> bool:
    with transaction.atomic():
        # Who signs up again at this moment has locked the user, or finds none and begins anew.
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None or not unused().filter(user=user).exists():
            return False
        user.delete()
    return True
