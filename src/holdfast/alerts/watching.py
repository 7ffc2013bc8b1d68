"""The watch: looks at what the rules are about, decides, and has people told. One process at a time does it for all.

It runs in the main process of each worker, in each `celery beat` and in `manage.py holdfast alerts watch`; a duty
elects one. What if it dies here? What is decided is written with its messages and their jobs: all of it or nothing.
"""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from holdfast.alerts import sending, signs
from holdfast.alerts.deciding import Sign, decide
from holdfast.alerts.standing import standing
from holdfast.alerts.stated import Alerting, Rule, current
from holdfast.alerts.telling import carry_out, take_back
from holdfast.ledger import alert_rules, workers
from holdfast.ledger import alerts as ledger
from holdfast.ledger.alerts import DUTY, AlertRow
from holdfast.ledger.database import atomic, is_passing
from holdfast.upkeep.loop import Loop

logger = logging.getLogger("holdfast.alerts")
KEPT = timedelta(days=30)
PRUNE_SECONDS = 3600.0
# The doctor is asked so many times as often while it finds something.
AGAIN = 5


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
        self._found: dict[str, tuple[float, Rule, list[Sign]]] = {}
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
        known = standing(alerting)
        found = {
            rule.name: (rule, self._ask(rule, alerting))
            for rule in known.rules
            if not known.switch(rule.name).off
        }
        served = sending.is_served()
        self._decide(alerting, found, served=served, seconds=seconds)
        sending.send_what_waits(served=served, now=ledger.now())
        self._prune(alerting)
        return alerting.every_seconds

    def _ask(self, rule: Rule, alerting: Alerting) -> list[Sign] | None:
        """Return what is wrong by a rule; None if that is not known, and everything stays as it is."""
        if rule.when == "finding" and rule.name in self._found:
            until, asked, before = self._found[rule.name]
            if asked == rule and self._monotonic() < until:
                return before
        try:
            found = self._look(rule)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception("The rule %s cannot be looked at", rule.name)
            return None
        if rule.when == "finding":
            # What it finds may pass in a moment: then it is asked again soon.
            pause = alerting.finding_seconds / (AGAIN if found else 1)
            self._found[rule.name] = (self._monotonic() + pause, rule, found)
        return found

    def _decide(
        self,
        alerting: Alerting,
        found: Mapping[str, tuple[Rule, list[Sign] | None]],
        *,
        served: bool,
        seconds: float,
    ) -> None:
        with atomic():
            # Again, and in here: whoever was frozen since finds that somebody else has it, or waits for him to commit.
            if not workers.take_duty(DUTY, self.me, seconds=seconds):
                return
            now, known = ledger.now(), standing(alerting, lock=True)
            by_rule: dict[str, dict[str, AlertRow]] = {}
            for row in ledger.alerts():
                by_rule.setdefault(row.rule, {})[row.subject] = row
            for rule in known.rules:
                rows = by_rule.pop(rule.name, {})
                switch = known.switch(rule.name)
                asked, what = found.get(rule.name, (rule, None))
                if switch.off:
                    what = []
                elif asked != rule:
                    # Somebody has changed it since: what was found is no answer to what it says now.
                    what = None
                if what is not None:
                    repeat = timedelta(hours=alerting.repeat_hours) or None
                    decision = decide(rule, what, rows, now=now, switch=switch, repeat=repeat)
                    carry_out(alerting, rule, decision, now=now, served=served)
            for name, rows in by_rule.items():
                if name not in known.resting:
                    gone = Rule(name=name, when="", asks={}, to=tuple(alerting.channels))
                    take_back(alerting, gone, list(rows.values()), now=now, served=served)
            workers.note_done(DUTY, self.me)

    def _prune(self, alerting: Alerting) -> None:
        if self._monotonic() < self._prune_at:
            return
        self._prune_at = self._monotonic() + PRUNE_SECONDS
        ledger.prune(older_than=KEPT)
        alert_rules.forget_switches(but=[rule.name for rule in alerting.rules])


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
