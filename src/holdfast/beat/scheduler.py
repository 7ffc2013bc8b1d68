"""The scheduler that `celery beat -S holdfast.beat:Scheduler` runs, on as many hosts as you like."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from celery.beat import Scheduler as StockScheduler
from django.conf import settings as django_settings
from django.db import connections

from holdfast.beat.agenda import Agenda
from holdfast.beat.deciding import decide
from holdfast.beat.firing import ANSWER_SECONDS
from holdfast.beat.leader import Leader
from holdfast.beat.rules import Rule
from holdfast.beat.sources import Sources
from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError
from holdfast.ledger import counts, schedulers, schedules
from holdfast.ledger.connections.watchdog import answer_within, connect_soon
from holdfast.ledger.database import alias, close_connection, dialect, is_passing
from holdfast.upkeep.alive import AliveFile

logger = logging.getLogger("holdfast.beat")
# Longest pause between two looks: at the duty, and at schedules that were edited.
LOOK_SECONDS = 1.0
AFTER_ERROR_SECONDS = 0.5
PRUNE_SECONDS = 10.0
TOUCH_SECONDS = 5.0


class Scheduler(StockScheduler):
    """Decides every occurrence once, together with all others of its kind.

    One leads, the others look whether it still does. What has been decided is in the ledger: there is no
    schedule file, and whichever of them dies at any line, nothing is lost and nothing happens twice.
    """

    max_interval = LOOK_SECONDS

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        self._leader = Leader()
        self._agenda = Agenda()
        self._next_prune = 0.0
        self._told: tuple[float, bool] | None = None
        self._at_work = False
        self._asked_to_leave = False
        self._counts = counts.Counts()
        self._alive = AliveFile(
            get_settings().scheduler_alive_file,
            name=f"beat@{socket.gethostname()}",
            setting="scheduler_alive_file",
        )
        self._next_touch = 0.0
        super().__init__(app, *args, **kwargs)
        self.max_interval = min(LOOK_SECONDS, self.max_interval)

    def setup_schedule(self) -> None:
        """Read the settings' schedules: one that cannot be read is told now, and not at its due time."""
        if not django_settings.USE_TZ:
            raise ConfigurationError(
                "USE_TZ is False: a due time without its zone is not one moment. Set USE_TZ = True."
            )
        self._sources = Sources(self.app)
        counts.listen(self._counts)
        connect_soon()

    @property
    def info(self) -> str:
        """What the banner says below the scheduler's name."""
        return f"    . ledger -> {alias()}"

    def tick(self, *_: Any, **__: Any) -> float:
        """Make one pass; return the pause until the next one. A database that is away is waited for.

        Raises:
            SystemExit: it was asked to leave meanwhile, by whatever a pass has made of that.
        """
        pause = self._pass_safely()
        self._show()
        if self._asked_to_leave:
            # A signal that came inside a function which SQLite calls was told as an error of the database.
            raise SystemExit
        return pause

    def _pass_safely(self) -> float:
        try:
            with self._working():
                return min(self.one_pass(), self.max_interval)
        except Exception as error:
            if is_passing(error):
                logger.warning("The database does not answer (%s); trying again", error)
            else:
                logger.exception("A look at the schedules failed; the next one tries again")
            # Whether the last commit counted is not known: what is decided is read again.
            self._agenda.forget()
            self._leader.doubt()
            _close_connections()
            return AFTER_ERROR_SECONDS

    def one_pass(self) -> float:
        """Decide all that is due, if this scheduler leads; return the seconds until something is due."""
        leads = self._leads()
        self._tell(leads=leads)
        if not leads:
            self._agenda.forget()
            return LOOK_SECONDS
        with answer_within(ANSWER_SECONDS):
            rules = self._sources.rules()
            # Every moment here is the database's: the clocks of the schedulers' hosts may disagree.
            now = dialect().now()
            if not self._agenda.is_of(rules):
                self._agenda.take_up(rules, now)
            self._agenda.hear_clock(now)
        for name in self._agenda.due(now):
            # A long row of them, or one slow condition, may have outlasted the duty.
            self._show()
            if not self._leads() or not self._decide(self._agenda.rules[name], now):
                self._agenda.forget()
                return 0.0
        with answer_within(ANSWER_SECONDS):
            self._prune()
            due = self._agenda.next_due()
            return (
                LOOK_SECONDS if due is None else max(0.0, (due - dialect().now()).total_seconds())
            )

    def close(self) -> None:
        """Free the duty. Asked for by a signal amid a pass it does nothing: it is called again after the pass."""
        if self._at_work:
            self._asked_to_leave = True
            return
        try:
            self._leader.leave()
            self._counts.write()
            schedulers.leave(self._leader.id)
        except Exception as error:
            logger.warning("The duty is not given back (%s): the next leader waits for it", error)
        super().close()
        self._alive.remove()
        close_connection()

    def _show(self) -> None:
        """Show that passes come to their end, with an answer of the database or with an error."""
        if time.monotonic() >= self._next_touch:
            self._next_touch = time.monotonic() + TOUCH_SECONDS
            self._alive.touch({"scheduler": str(self._leader.id)})

    def _leads(self) -> bool:
        with answer_within(ANSWER_SECONDS):
            return self._leader.leads()

    def _tell(self, *, leads: bool) -> None:
        """Tell of this process now and then, for whoever looks who leads."""
        now = time.monotonic()
        told_at, told = self._told or (float("-inf"), leads)
        if now - told_at < schedulers.TELL_SECONDS and told == leads:
            return
        with answer_within(ANSWER_SECONDS):
            schedulers.tell(
                self._leader.id, host=socket.gethostname(), pid=os.getpid(), leads=leads
            )
            self._counts.write()
        self._told = (now, leads)

    def _decide(self, rule: Rule, now: datetime) -> bool:
        try:
            done = decide(self.app, self._agenda, rule, now=now, mark=self._leader.mark)
        except Exception as error:
            if is_passing(error):
                raise
            logger.exception(
                "Schedule %r: its due times cannot be decided; it rests until schedules are read again",
                rule.name,
            )
            self._agenda.drop(rule)
            return True
        if rule.one_off:
            # Switched off in its table now, unless its condition said no.
            self._sources.forget()
        return done

    def _prune(self) -> None:
        if time.monotonic() < self._next_prune:
            return
        settings = get_settings()
        kept, most = timedelta(days=settings.occurrence_days), settings.prune_batch
        busy = schedules.prune(older_than=kept, limit=most) >= most
        schedulers.prune()
        self._next_prune = time.monotonic() + (0.0 if busy else PRUNE_SECONDS)

    @contextmanager
    def _working(self) -> Iterator[None]:
        self._at_work = True
        try:
            yield
        finally:
            self._at_work = False


def _close_connections() -> None:
    """Drop this thread's connections: the tables of django-celery-beat may be in another database."""
    for here in connections.all(initialized_only=True):
        if not here.in_atomic_block:
            try:
                here.close()
            except Exception:  # one that is gone already may refuse even that
                logger.debug("closing a broken connection failed", exc_info=True)
