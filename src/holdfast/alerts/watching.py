"""The watch: looks at what the rules are about, decides, and has people told. One process at a time does it for all.

It runs in the main process of each worker, in each `celery beat` and in `manage.py holdfast alerts watch`; a duty
elects one. What if it dies here? What is decided is written with its messages and their jobs: all of it or nothing.
"""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from holdfast.alerts import notices, sending, signs
from holdfast.alerts.deciding import Decision, Sign, decide, put_away
from holdfast.alerts.stated import Alerting, Rule, current
from holdfast.ledger import alerts as ledger
from holdfast.ledger import workers
from holdfast.ledger.alerts import AlertRow, Switch
from holdfast.ledger.database import atomic, is_passing
from holdfast.upkeep.loop import Loop

logger = logging.getLogger("holdfast.alerts")
DUTY = "alerts"
KEPT = timedelta(days=30)
PRUNE_SECONDS = 3600.0
_NOTHING = Switch()


class Watch:
    """One process's turn at the duty."""

    def __init__(
        self,
        *,
        look: Callable[[Rule], list[Sign]] = signs.look,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.me: UUID = uuid4()
        self._look = look
        self._monotonic = monotonic
        self._found: dict[str, tuple[float, list[Sign]]] = {}
        self._prune_at = monotonic() + PRUNE_SECONDS
        self._loop = Loop("alerts", self.one_pass, after_error=10.0, rests=True)

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    def stop(self, *, seconds: float = 3.0) -> None:
        """End, and leave the duty to the next."""
        self._loop.stop(seconds=seconds)
        try:
            workers.leave_duty(DUTY, self.me)
        except Exception as error:
            if not is_passing(error):
                raise
            logger.info("The duty of alerts is not given back (%s): the next one waits", error)

    def one_pass(self) -> float:
        """Look once if the duty is ours; return the pause until the next look."""
        alerting = current()
        seconds = 3 * alerting.every_seconds
        if not workers.take_duty(DUTY, self.me, seconds=seconds):
            return alerting.every_seconds
        switches = ledger.switches()
        found = {
            rule.name: self._ask(rule, alerting)
            for rule in alerting.rules
            if not switches.get(rule.name, _NOTHING).off
        }
        served = sending.is_served()
        self._decide(alerting, found, served=served, seconds=seconds)
        sending.send_what_waits(served=served, now=ledger.now())
        self._prune(alerting)
        return alerting.every_seconds

    def _ask(self, rule: Rule, alerting: Alerting) -> list[Sign] | None:
        """Return what is wrong by a rule; None if that is not known, and everything stays as it is."""
        if rule.when == "finding":
            until, before = self._found.get(rule.name, (float("-inf"), []))
            if self._monotonic() < until:
                return before
        try:
            found = self._look(rule)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("The rule %s cannot be looked at", rule.name)
            return None
        self._found[rule.name] = (self._monotonic() + alerting.finding_seconds, found)
        return found

    def _decide(
        self,
        alerting: Alerting,
        found: dict[str, list[Sign] | None],
        *,
        served: bool,
        seconds: float,
    ) -> None:
        with atomic():
            # Again, and in here: whoever was frozen since finds that somebody else has it, or waits for him to commit.
            if not workers.take_duty(DUTY, self.me, seconds=seconds):
                return
            now, switches = ledger.now(), ledger.switches()
            by_rule: dict[str, dict[str, AlertRow]] = {}
            for row in ledger.alerts():
                by_rule.setdefault(row.rule, {})[row.subject] = row
            for rule in alerting.rules:
                rows = by_rule.pop(rule.name, {})
                switch = switches.get(rule.name, _NOTHING)
                what = [] if switch.off else found.get(rule.name)
                if what is not None:
                    repeat = timedelta(hours=alerting.repeat_hours) or None
                    decision = decide(rule, what, rows, now=now, switch=switch, repeat=repeat)
                    self._carry_out(alerting, rule, decision, now=now, served=served)
            for name, rows in by_rule.items():
                gone = Rule(name=name, when="", asks={}, to=tuple(alerting.channels))
                decision = put_away(list(rows.values()), now=now)
                self._carry_out(alerting, gone, decision, now=now, served=served)

    def _carry_out(
        self, alerting: Alerting, rule: Rule, decision: Decision, *, now: datetime, served: bool
    ) -> None:
        """Write what is decided, and its messages with the jobs that send them, in the transaction that is open."""
        saved = {row.subject: row for row in ledger.save(decision.changed)}
        told = {what: [saved[row.subject] for row in rows] for what, rows in decision.told.items()}
        for what, rows in told.items():
            _log(what, rule, rows)
        for key, channel, body in notices.compose(alerting, rule, told, at=now):
            notice = ledger.add_notice(key, channel, body)
            if notice is not None and served:
                sending.record(notice)

    def _prune(self, alerting: Alerting) -> None:
        if self._monotonic() < self._prune_at:
            return
        self._prune_at = self._monotonic() + PRUNE_SECONDS
        ledger.prune(older_than=KEPT)
        ledger.forget_switches(but=[rule.name for rule in alerting.rules])


def _log(what: str, rule: Rule, rows: Sequence[AlertRow]) -> None:
    for row in rows:
        logger.warning("Alert (%s, %s): %s", what, rule.name, row.summary)


_watch: Watch | None = None


def start(**_: Any) -> None:
    """Begin to watch in this process, once."""
    global _watch  # noqa: PLW0603  # one for each process
    if _watch is None and current().is_on:
        _watch = Watch()
        _watch.start()
        # A scheduler says to nobody that it ends.
        atexit.register(stop)


def stop(**_: Any) -> None:
    """End it."""
    global _watch
    ended, _watch = _watch, None
    if ended is not None:
        ended.stop()
