"""What is wrong and who was told: the rows of alerts and of messages.

The tables are small: what has recovered and what was sent is deleted after some weeks. Times are the database's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit, counts
from holdfast.ledger.database import alias, atomic, dialect
from holdfast.ledger.models.alerts import Alert, AlertNotice

# Who has it looks at the rules.
DUTY = "alerts"
WAITING, FIRING, RECOVERED = "waiting", "firing", "recovered"
MOST = 1000
LONGEST_ERROR = 500


@dataclass(slots=True, kw_only=True)
class AlertRow:
    """One thing that a rule has found, as it stands."""

    rule: str
    subject: str
    severity: str
    state: str
    """waiting (not for long enough yet), firing or recovered."""
    summary: str
    since: datetime
    seen_at: datetime
    """When it was found to be so last."""
    kind: str = ""
    """What the rule looks for; empty if a worker of a release before wrote it."""
    facts: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    """The page behind it, below the console's address."""
    episode: int = 1
    """How often it has come up."""
    told_at: datetime | None = None
    recovered_at: datetime | None = None
    muted_until: datetime | None = None
    muted_by: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """One message to one channel."""

    id: int
    key: str
    channel: str
    body: dict[str, Any]
    made_at: datetime
    tries: int = 0
    tried_at: datetime | None = None
    error: str = ""
    """Why the last try failed."""
    sent_at: datetime | None = None


def now() -> datetime:
    """Return the database's time."""
    return dialect().now()


def alerts(*, firing: bool = False) -> list[AlertRow]:
    """Return what rules have found, what fires first and then the latest; 1,000 at most. One statement."""
    rows = _alerts().filter(state=FIRING) if firing else _alerts()
    found = [_alert(row) for row in rows.order_by("-seen_at")[:MOST]]
    order = {FIRING: 0, WAITING: 1, RECOVERED: 2}
    return sorted(found, key=lambda row: order[row.state])


def save(rows: Iterable[AlertRow]) -> list[AlertRow]:
    """Write rows as they stand now, new ones with an id; in the transaction that is open."""
    saved = []
    for row in rows:
        values = {name: getattr(row, name) for name in _WRITTEN} | {"facts": json.dumps(row.facts)}
        if row.id:
            _alerts().filter(id=row.id).update(**values)
            saved.append(row)
        else:
            made = _alerts().create(rule=row.rule, subject=row.subject, **values)
            saved.append(replace(row, id=made.id))
    return saved


def mute_alert(id: int, *, actor: str, mute: timedelta | None) -> bool:
    """Mute one alert for so long, or nothing to end that; False if there is none. With a line in the audit."""
    until = None if mute is None else now() + mute
    with atomic():
        found = _alerts().filter(id=id).update(muted_until=until, muted_by=actor[:255])
        if found:
            what = _alerts().get(id=id)
            action = "unmute alert" if mute is None else "mute alert"
            audit.note(action, actor=actor, detail=f"{what.rule}: {what.subject}")
    return bool(found)


def add_notice(key: str, channel: str, body: Mapping[str, Any]) -> int | None:
    """Keep a message that is to be sent, in the transaction that is open; None if there is one with this key."""
    new = AlertNotice(key=key, channel=channel, body=json.dumps(body), made_at=Now())
    _notices().bulk_create([new], ignore_conflicts=True)
    row = _notices().filter(key=key).values_list("id", "made_at", "tries", "sent_at").first()
    return None if row is None or row[2] or row[3] else int(row[0])


def notice(id: int) -> NoticeRow | None:
    """Return a message."""
    row = _notices().filter(id=id).first()
    return None if row is None else _notice(row)


def unsent(*, within: timedelta, limit: int) -> list[NoticeRow]:
    """Return messages that are not sent yet, none older than that; the oldest first, by a small index."""
    rows = _notices().filter(sent_at=None, made_at__gte=Now() - within).order_by("id")
    return [_notice(row) for row in rows[:limit]]


def latest_notices(*, limit: int) -> list[NoticeRow]:
    """Return the latest messages, the newest first."""
    return [_notice(row) for row in _notices().order_by("-id")[:limit]]


def note_try(row: NoticeRow, *, error: str = "") -> None:
    """Note that a message was sent, or why it was not; and count it, once."""
    done: dict[str, Any] = {"tries": F("tries") + 1, "tried_at": Now()}
    done["error"] = error[:LONGEST_ERROR]
    if not error:
        done["sent_at"] = Now()
    with atomic():
        if _notices().filter(id=row.id, sent_at=None).update(**done):
            name = counts.NOT_SENT if error else counts.SENT
            counts.add({(name, row.channel): 1})


def prune(*, older_than: timedelta) -> None:
    """Forget what has recovered, and messages, that are older."""
    before = Now() - older_than
    _alerts().filter(state=RECOVERED, seen_at__lt=before).filter(
        Q(muted_until=None) | Q(muted_until__lt=Now())
    ).delete()
    _notices().filter(made_at__lt=before).delete()


_WRITTEN = (
    "kind",
    "severity",
    "state",
    "summary",
    "path",
    "episode",
    "since",
    "seen_at",
    "told_at",
    "recovered_at",
)


def _alert(row: Alert) -> AlertRow:
    values = {name: getattr(row, name) for name in _WRITTEN}
    return AlertRow(
        id=row.id,
        rule=row.rule,
        subject=row.subject,
        facts=json.loads(row.facts),
        muted_until=row.muted_until,
        muted_by=row.muted_by,
        **values,
    )


def _notice(row: AlertNotice) -> NoticeRow:
    names = ("id", "key", "channel", "made_at", "tries", "tried_at", "error", "sent_at")
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    return NoticeRow(body=json.loads(row.body), **values)


def _alerts() -> QuerySet[Alert]:
    return Alert.objects.using(alias())


def _notices() -> QuerySet[AlertNotice]:
    return AlertNotice.objects.using(alias())
