"""Whether alerts do what they are for: what fires, when somebody looked last, which channels take no messages.

For metrics and the doctor, which know of the settings only whom they name. Every look is some small statements: the
tables are small, and what was sent is read where something was not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.db.models.functions import Now

from holdfast.conf import get_settings
from holdfast.ledger import alert_rules
from holdfast.ledger.alerts import DUTY, FIRING
from holdfast.ledger.database import alias, dialect
from holdfast.ledger.models import Alert, AlertNotice, Duty

# What a message waits for at most; then it is news no more.
KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the settings say of alerts, as far as others than those who look must know."""

    channels: frozenset[str]
    every_seconds: float
    rules: bool
    """Whether there is any rule, in the settings or added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Who looks at the rules, and since when nobody has."""

    ever: bool
    held: bool
    """Whether somebody has the duty now."""
    seconds: float
    """Since the last look that was done from beginning to end; infinite if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A channel that has not taken its latest message."""

    channel: str
    messages: int
    """That it has not taken, and are kept."""
    seconds: float
    """Since the first of them was made."""
    error: str
    """Why the last try failed."""


def said() -> Said | None:
    """Return what the settings say; None: nobody is to be told of anything. One statement at most."""
    raw = get_settings().alerts
    channels = raw.get("channels") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(channels, Mapping) or not channels:
        return None
    every = raw.get("every_seconds", 30.0)
    return Said(
        channels=frozenset(str(name) for name in channels),
        every_seconds=float(every) if isinstance(every, int | float) else 30.0,
        # With channels and nothing said of rules those hold that come with the product.
        rules=bool(raw.get("rules", True)) or bool(alert_rules.added()),
    )


def looked() -> Looked:
    """Return when somebody looked last; one statement."""
    row = Duty.objects.using(alias()).filter(name=DUTY).first()
    if row is None:
        return Looked(ever=False, held=False, seconds=float("inf"))
    now = dialect().now()
    at = row.done_at
    if at is None and row.seconds is not None:
        # A process of the release before does not say when it is done: it renews its duty with each look.
        at = row.until - timedelta(seconds=row.seconds)
    seconds = float("inf") if at is None else max(0.0, (now - at).total_seconds())
    return Looked(ever=True, held=row.holder is not None and row.until > now, seconds=seconds)


def firing() -> Counter[tuple[str, str]]:
    """Count what fires by the rule's kind and severity; one statement."""
    rows = Alert.objects.using(alias()).filter(state=FIRING).values_list("kind", "severity")
    return Counter({(kind, severity): n for kind, severity, n in rows.annotate(n=Count("id"))})


def waiting() -> dict[str, int]:
    """Count by channel the messages that are to be sent yet; one statement, by an index of what is not sent."""
    rows = AlertNotice.objects.using(alias()).filter(sent_at=None, made_at__gte=Now() - KEPT)
    return dict(rows.values_list("channel").annotate(n=Count("id")))


def failing() -> list[Failing]:
    """Return the channels whose latest try failed, by name; one that takes a message, a test too, is not among them."""
    unsent = AlertNotice.objects.using(alias()).filter(sent_at=None, tries__gt=0)
    last: dict[str, datetime] = dict(unsent.values_list("channel").annotate(at=Max("tried_at")))
    found = []
    for channel, tried_at in sorted(last.items()):
        sent = AlertNotice.objects.using(alias()).filter(channel=channel)
        taken_at = sent.aggregate(at=Max("sent_at"))["at"]
        if taken_at is not None and taken_at >= tried_at:
            continue
        since: dict[str, Any] = {} if taken_at is None else {"tried_at__gt": taken_at}
        rows = unsent.filter(channel=channel, **since)
        told = rows.aggregate(first=Min("made_at"), n=Count("id"))
        error = rows.filter(~Q(error="")).order_by("-tried_at").values_list("error", flat=True)
        found.append(
            Failing(
                channel=channel,
                messages=told["n"],
                seconds=(dialect().now() - told["first"]).total_seconds(),
                error=error.first() or "",
            )
        )
    return found
