"""What was decided is written, with its messages and the jobs that send them: one transaction, all of it or nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from holdfast.alerts import notices, sending
from holdfast.alerts.deciding import Decision, put_away
from holdfast.alerts.stated import Alerting, Rule
from holdfast.ledger import alerts as ledger
from holdfast.ledger.alerts import AlertRow

logger = logging.getLogger("holdfast.alerts")


def carry_out(
    alerting: Alerting, rule: Rule, decision: Decision, *, now: datetime, served: bool
) -> None:
    """Write what is decided, in the transaction that is open.

    With `served` a job sends each message; else whoever looks does it afterwards.
    """
    saved = {row.subject: row for row in ledger.save(decision.changed)}
    told = {what: [saved[row.subject] for row in rows] for what, rows in decision.told.items()}
    for what, rows in told.items():
        _log(what, rule, rows)
    for key, channel, body in notices.compose(alerting, rule, told, at=now):
        notice = ledger.add_notice(key, channel, body)
        if notice is not None and served:
            sending.record(notice)


def take_back(
    alerting: Alerting, rule: Rule, rows: Sequence[AlertRow], *, now: datetime, served: bool
) -> None:
    """Let all that a rule has found recover, and tell those whom it tells; in the transaction that is open."""
    carry_out(alerting, rule, put_away(rows, now=now), now=now, served=served)


def _log(what: str, rule: Rule, rows: Sequence[AlertRow]) -> None:
    for row in rows:
        logger.warning("Alert (%s, %s): %s", what, rule.name, row.summary)
