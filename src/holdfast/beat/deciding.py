"""What becomes of the due times of a schedule: fired, skipped by its condition, missed, or failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from holdfast.beat import firing
from holdfast.beat.agenda import Agenda
from holdfast.beat.rules import CatchUp, Rule
from holdfast.conf import get_settings
from holdfast.ledger.database import is_passing
from holdfast.ledger.schedules import Decided, Decision

logger = logging.getLogger("holdfast.beat")
# Rows written at once of due times that were missed; the first one says if there were more.
MISSED_KEPT = 100


def decide(app: Any, agenda: Agenda, rule: Rule, *, now: datetime, mark: str) -> bool:
    """Decide every due time of a schedule up to now; False: somebody else decides too, and the agenda is out of date.

    Each decision is a transaction of its own: who dies between two leaves the rest to the next leader.
    """
    dues, more = agenda.undecided(rule, now=now, limit=max(MISSED_KEPT, rule.catch_up_max))
    late = timedelta(seconds=get_settings().schedule_late_seconds)
    fired = that_count(rule, dues, now=now, late=late)
    missed = dues[: len(dues) - len(fired)]
    if missed and not _miss(agenda, rule, missed, more=more, mark=mark):
        return False
    return all(_fire(app, agenda, rule, due, mark=mark) for due in fired)


def that_count(
    rule: Rule, dues: Sequence[datetime], *, now: datetime, late: timedelta
) -> Sequence[datetime]:
    """Return those of the due times that make jobs now: the latest, as many as the catch-up rule says."""
    if rule.catch_up is CatchUp.SKIP and dues and now - dues[-1] > late:
        return []
    return dues[-rule.catch_up_max :] if _all(rule) else dues[-1:]


def _all(rule: Rule) -> bool:
    return rule.catch_up is CatchUp.ALL and not rule.one_off


def _miss(agenda: Agenda, rule: Rule, missed: Sequence[datetime], *, more: bool, mark: str) -> bool:
    reason = f"no scheduler fired it in time; its catch-up rule is {rule.catch_up!s}"
    before = "; so were due times before it, which have no row" if more else ""
    decided = [
        Decided(due_at=due, outcome=Decision.MISSED, reason=reason + (before if at == 0 else ""))
        for at, due in enumerate(missed)
    ]
    done = firing.pass_over(rule, decided, since=agenda.decided_until(rule.name), mark=mark)
    agenda.move(rule, missed[-1])
    return done


def _fire(app: Any, agenda: Agenda, rule: Rule, due: datetime, *, mark: str) -> bool:
    since = agenda.decided_until(rule.name)
    try:
        reason = _why_not(rule, due)
        if reason is None:
            done = firing.fire(app, rule, due, since=since, mark=mark)
        else:
            skipped = Decided(due_at=due, outcome=Decision.SKIPPED, reason=reason)
            done = firing.pass_over(rule, [skipped], since=since, mark=mark)
    except Exception as error:
        if is_passing(error):
            raise
        # The condition or the call is broken, and would be again: its row says so, and the next one is tried.
        logger.exception("Schedule %r: its occurrence at %s could not be fired", rule.name, due)
        cause = f"{type(error).__name__}: {error}"
        failed = Decided(due_at=due, outcome=Decision.FAILED, reason=cause)
        done = firing.pass_over(rule, [failed], since=since, mark=mark)
    agenda.move(rule, due)
    return done


def _why_not(rule: Rule, due: datetime) -> str | None:
    """Ask the schedule's condition; None: it is to run."""
    if rule.should_run is None:
        return None
    answer = rule.should_run(due)
    if answer is False:
        return "should_run said no"
    return answer if isinstance(answer, str) and answer else None
