"""What one leading scheduler has before it: each schedule with what is decided of it, and when it is due next."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from holdfast.beat.rules import Rule
from holdfast.beat.timing import Interval, newest
from holdfast.ledger import schedules
from holdfast.ledger.clocks import AHEAD
from holdfast.ledger.schedules import Standing

logger = logging.getLogger("holdfast.beat")


class Agenda:
    """A copy of what the ledger says. It may be out of date: then a decision is refused, and it is read again."""

    def __init__(self) -> None:
        self._source: Mapping[str, Rule] | None = None
        self.rules: dict[str, Rule] = {}
        self._standings: dict[str, Standing] = {}
        self._next: dict[str, datetime | None] = {}

    def is_of(self, rules: Mapping[str, Rule]) -> bool:
        """Tell whether these rules are taken up already."""
        return self._source is rules

    def forget(self) -> None:
        """Read all anew at the next look."""
        self.__init__()  # type: ignore[misc]  # empty is how it begins

    def take_up(self, rules: Mapping[str, Rule], now: datetime) -> None:
        """Begin what is new or changed, put away what is gone or switched off."""
        live = {name: rule for name, rule in rules.items() if rule.enabled}
        known = schedules.standings()
        gone = [name for name, standing in known.items() if standing.active and name not in live]
        if gone:
            schedules.put_away(gone)
        begun = {
            name: _beginning(rule, now, known=name in known)
            for name, rule in live.items()
            if not rule.is_standing(known.get(name))
        }
        if begun:
            known |= schedules.begin(begun)
        self._standings = {name: known[name] for name in live}
        self.rules = live
        self._next = {name: self._next_due(rule) for name, rule in live.items()}
        self._source = rules

    def hear_clock(self, now: datetime) -> None:
        """Let intervals go on that are decided further ahead than now: the clock was set back, and they must not rest.

        Times of a wall clock were due when it showed them first, and are not due a second time.
        """
        for name, standing in self._standings.items():
            timing = self.rules[name].timing
            if standing.decided_until <= now + AHEAD or not isinstance(timing, Interval):
                continue
            # Not the due times that have their rows already.
            at = now if now.microsecond else now - timedelta(microseconds=1)
            again = schedules.begin_again(name, standing, at=at)
            if again is None:
                self.forget()
                return
            logger.warning(
                "Schedule %r was decided until %s, and the database's clock shows %s: it goes on from now",
                name,
                standing.decided_until,
                now,
            )
            self._standings[name] = again
            self._next[name] = self._next_due(self.rules[name])

    def due(self, now: datetime) -> list[str]:
        """Return the names of the schedules that are due, in the order of their due times."""
        found = [(due, name) for name, due in self._next.items() if due is not None and due <= now]
        return [name for _, name in sorted(found)]

    def next_due(self) -> datetime | None:
        """Return when the next of all is due."""
        return min((due for due in self._next.values() if due is not None), default=None)

    def decided_until(self, name: str) -> datetime:
        """Return up to when the due times of a schedule are decided."""
        return self._standings[name].decided_until

    def undecided(self, rule: Rule, *, now: datetime, limit: int) -> tuple[list[datetime], bool]:
        """Return a schedule's latest undecided due times, oldest first, and whether there were more before them."""
        standing = self._standings[rule.name]
        return newest(
            lambda moment: rule.due_after(moment, anchor=standing.anchor_at),
            after=standing.decided_until,
            until=now,
            limit=limit,
        )

    def move(self, rule: Rule, until: datetime) -> None:
        """Note that a schedule's due times are decided up to a moment."""
        self._standings[rule.name] = replace(self._standings[rule.name], decided_until=until)
        self._next[rule.name] = self._next_due(rule)

    def drop(self, rule: Rule) -> None:
        """Plan no more of a schedule until all is read anew."""
        self._next[rule.name] = None

    def _next_due(self, rule: Rule) -> datetime | None:
        standing = self._standings[rule.name]
        try:
            return rule.due_after(standing.decided_until, anchor=standing.anchor_at)
        except Exception:
            logger.exception(
                "Schedule %r: its next due time cannot be computed, so it does not run; mend its rule (%s)",
                rule.name,
                rule.timing.text,
            )
            return None


def _beginning(rule: Rule, now: datetime, *, known: bool) -> Standing:
    """Return what stands of a schedule that begins: from now on, unless it is new and says from when on."""
    since = now if known or rule.since is None else min(now, rule.since)
    return Standing(
        timing=rule.timing.text, anchor_at=since.replace(microsecond=0), decided_until=since
    )
