"""What happens to reports by the clock: one of each day, told to the staff, and the end of old ones."""

from __future__ import annotations

from datetime import date, timedelta

from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from jost.gateways.sending import mail_once

from . import making
from .figures import by_region, in_all
from .models import Report

KEEP = timedelta(days=7)
# Of a site that was away: as many mails as somebody may want to read at once.
MOST_DAYS = 31
SLICE = 100


def ask_for_missing() -> int:
    """Begin the report of each day behind the last one that has one, up to yesterday; return how many.

    A site without reports begins with yesterday's, and one that was away for long with the last `MOST_DAYS`.
    """
    yesterday = timezone.localdate() - timedelta(days=1)
    last = Report.objects.aggregate(last=Max("day"))["last"] or yesterday - timedelta(days=1)
    missing = min((yesterday - last).days, MOST_DAYS)
    days = [yesterday - timedelta(days=back) for back in reversed(range(missing))]
    return sum(_ask_for(day) for day in days)


def _ask_for(day: date) -> bool:
    with transaction.atomic():
        report, is_new = Report.objects.get_or_create(
            day=day, defaults={"since": day, "until": day, "parts": 1}
        )
        if is_new:
            making.begin(report)
    return is_new


def mail_summary(report_id: int) -> None:
    """Tell the staff what was sold, once."""
    report = Report.objects.filter(pk=report_id).first()
    if report is None:
        return
    staff = User.objects.filter(is_staff=True, is_active=True).exclude(email="")
    addresses = sorted(staff.values_list("email", flat=True))
    if not addresses:
        return
    lines = list(report.lines.all())
    total = in_all(lines)
    regions = [f"{each.name}: {each.amount:,.2f}" for each in by_region(lines)]
    message = EmailMessage(
        subject=f"Sales of {report.since}",
        body="\n".join([f"{total.sales:,} sales for {total.amount:,.2f}", "", *regions]),
        to=addresses,
    )
    mail_once(message, key=f"report:{report_id}")


def clean_up() -> int:
    """Delete reports older than `KEEP` with their files; return how many."""
    old = Report.objects.filter(asked_at__lt=timezone.now() - KEEP).order_by("asked_at")
    deleted = 0
    while numbers := list(old.values_list("pk", flat=True)[:SLICE]):
        Report.objects.filter(pk__in=numbers).delete()
        deleted += len(numbers)
    return deleted
