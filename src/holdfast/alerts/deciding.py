"""What becomes of alerts: from what a rule finds now and what stood before, who is to be told what. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from holdfast.alerts.stated import Rule
from holdfast.ledger.alert_rules import Switch
from holdfast.ledger.alerts import FIRING, RECOVERED, WAITING, AlertRow

LONGEST, LONGEST_PATH = 255, 500
FIRED, REMINDED, OVER = "fired", "still", "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One thing that is wrong now."""

    subject: str
    """What it is about, the same as long as it is the same thing; its first 255 letters count."""
    summary: str
    """One sentence."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    """The page behind it, below the console's address."""


@dataclass(slots=True)
class Decision:
    """What is to be written, and what is to be told."""

    changed: list[AlertRow] = field(default_factory=list)
    told: dict[str, list[AlertRow]] = field(default_factory=dict)
    """By fired, still and recovered; each row is one of `changed`."""

    def tell(self, what: str, row: AlertRow) -> None:
        """Have a row told of."""
        self.told.setdefault(what, []).append(row)


def decide(
    rule: Rule,
    signs: Sequence[Sign],
    rows: Mapping[str, AlertRow],
    *,
    now: datetime,
    switch: Switch,
    repeat: timedelta | None,
) -> Decision:
    """Decide about one rule.

    Args:
        rule: the rule.
        signs: what it finds now.
        rows: what stands, by subject.
        now: the database's time.
        switch: what was said of the rule at run time.
        repeat: after how long what is still wrong is told again; None never.
    """
    decision = Decision()
    found = {} if switch.off else {sign.subject[:LONGEST]: sign for sign in signs}
    for subject, sign in found.items():
        row = _seen(rule, sign, rows.get(subject), now)
        if row.state == WAITING and now - row.since >= timedelta(seconds=rule.for_seconds):
            row.state = FIRING
        # Whose channels are all gone tells what still is so once one of them is back.
        quiet = not rule.to or _lasts(switch.muted_until, now) or _lasts(row.muted_until, now)
        if row.state == FIRING and not quiet:
            if row.told_at is None:
                row.told_at = now
                decision.tell(FIRED, row)
            elif repeat is not None and now - row.told_at >= repeat:
                row.told_at = now
                decision.tell(REMINDED, row)
        decision.changed.append(row)
    clear = timedelta(seconds=0.0 if switch.off else rule.clear_seconds)
    for subject, before in rows.items():
        if subject in found or before.state == RECOVERED:
            continue
        row = _not_ahead(before, now)
        if row.state == FIRING and now - row.seen_at < clear:
            continue
        # What nobody was told of ends without a word; what was told is taken back, muted or not.
        if row.state == FIRING and row.told_at is not None:
            decision.tell(OVER, row)
        row.state, row.recovered_at = RECOVERED, now
        decision.changed.append(row)
    return decision


def put_away(rows: Sequence[AlertRow], *, now: datetime) -> Decision:
    """Let what belongs to rules that are none any more recover."""
    decision = Decision()
    for before in rows:
        if before.state != RECOVERED:
            row = replace(before, state=RECOVERED, recovered_at=now)
            if before.state == FIRING and before.told_at is not None:
                decision.tell(OVER, row)
            decision.changed.append(row)
    return decision


def _seen(rule: Rule, sign: Sign, before: AlertRow | None, now: datetime) -> AlertRow:
    words: dict[str, Any] = {
        "kind": rule.when,
        "severity": rule.severity,
        "summary": sign.summary,
        "facts": dict(sign.facts),
        "path": sign.path if len(sign.path) <= LONGEST_PATH else "",
        "seen_at": now,
    }
    if before is None:
        return AlertRow(
            rule=rule.name, subject=sign.subject[:LONGEST], state=WAITING, since=now, **words
        )
    row = _not_ahead(before, now)
    if row.state != RECOVERED:
        return replace(row, **words)
    return replace(
        row,
        state=WAITING,
        since=now,
        episode=row.episode + 1,
        told_at=None,
        recovered_at=None,
        **words,
    )


def _not_ahead(row: AlertRow, now: datetime) -> AlertRow:
    """Let nothing wait for a moment that came before the clock was set back."""
    told = None if row.told_at is None else min(row.told_at, now)
    return replace(row, since=min(row.since, now), seen_at=min(row.seen_at, now), told_at=told)


def _lasts(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now
