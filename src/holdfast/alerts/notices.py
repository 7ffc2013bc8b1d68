"""What people are told: one message for all that a rule has to say at once, made of decided rows."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast.alerts.deciding import FIRED, OVER, REMINDED
from holdfast.alerts.stated import Alerting, Channel, Rule
from holdfast.ledger.alerts import AlertRow

# Alerts that one message lists; of more it says how many.
LISTED = 20
TEST = "test"
_WORDS = {FIRED: "", REMINDED: "Still: ", OVER: "Recovered: ", TEST: "Test: "}


def compose(
    alerting: Alerting, rule: Rule, told: Mapping[str, Sequence[AlertRow]], *, at: datetime
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (key, channel, body) of each message; the key is the same for the same words about the same episodes.

    A channel that keeps incidents gets one message for each alert, the others one for all of them.
    """
    for what, rows in told.items():
        for name in rule.to:
            apart = alerting.channels[name].kind == "pagerduty"
            for some in [[row] for row in rows] if apart else [list(rows)]:
                yield _key(what, some, name), name, _body(alerting, rule, what, some, at=at)


def test_message(alerting: Alerting, channel: Channel, *, by: str, at: datetime) -> dict[str, Any]:
    """Return the body of a message that only shows that a channel works."""
    source = alerting.source or socket.gethostname()
    return {
        "what": TEST,
        "rule": TEST,
        "severity": "warning",
        "source": source,
        "title": f"Test: channel {channel.name} of {source} works",
        "at": at.isoformat(),
        "link": alerting.console_url,
        "alerts": [{"subject": TEST, "summary": f"{by} asked for it.", "dedup": f"test:{source}"}],
        "more": 0,
    }


def title(what: str, found: Sequence[tuple[str, str]]) -> str:
    """Return the heading of a message about things, each with its subject and its summary; empty without any."""
    if not found:
        return ""
    subject, summary = found[0]
    many = "" if len(found) == 1 else f" (and {len(found) - 1} more)"
    return f"{_WORDS[what]}{summary.splitlines()[0] if summary else subject}{many}"


def _body(
    alerting: Alerting, rule: Rule, what: str, rows: Sequence[AlertRow], *, at: datetime
) -> dict[str, Any]:
    return {
        "what": what,
        "rule": rule.name,
        "severity": rule.severity,
        "source": alerting.source or socket.gethostname(),
        "title": title(what, [(row.subject, row.summary) for row in rows]),
        "at": at.isoformat(),
        "link": _link(alerting, rows[0].path if len(rows) == 1 else "alerts/"),
        "alerts": [
            {
                "subject": row.subject,
                "summary": row.summary,
                "since": row.since.isoformat(),
                "facts": row.facts,
                "link": _link(alerting, row.path),
                "dedup": f"holdfast:{row.id}:{row.episode}",
            }
            for row in rows[:LISTED]
        ],
        "more": max(0, len(rows) - LISTED),
    }


def _link(alerting: Alerting, path: str) -> str:
    if not alerting.console_url or not path:
        return alerting.console_url
    return f"{alerting.console_url.rstrip('/')}/{path}"


def _key(what: str, rows: Sequence[AlertRow], channel: str) -> str:
    told = ";".join(
        f"{row.id}:{row.episode}:{row.told_at.isoformat() if what == REMINDED and row.told_at else ''}"
        for row in sorted(rows, key=lambda row: row.id)
    )
    digest = hashlib.sha256(f"{what};{told};{channel}".encode()).hexdigest()[:40]
    return f"{what}:{digest}"
