"""All schedules of a project in one place: those of the settings, and those of the tables of django-celery-beat."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from holdfast.beat import tables
from holdfast.beat.rules import Rule, rules_of_settings

# An edit in the admin is seen within 5 s, the scheduler's own pause included.
LOOK_SECONDS = 2.0
# Edits that go around the admin and tell nobody are seen by then.
READ_SECONDS = 60.0


def read(app: Any) -> dict[str, Rule]:
    """Return every schedule by name, those that are switched off too.

    A name in both sources is the settings' schedule, and the table's switch: so django-celery-beat has it.

    Raises:
        ConfigurationError: an entry of the settings cannot be read.
    """
    of_settings = {rule.name: rule for rule in rules_of_settings(app)}
    if not tables.installed():
        return of_settings
    return _together(of_settings, {rule.name: rule for rule in tables.rules_of_tables(app)})


class Sources:
    """What `read` returns, read again when somebody has edited a schedule."""

    def __init__(self, app: Any) -> None:
        self._of_settings = {rule.name: rule for rule in rules_of_settings(app)}
        self._app = app
        self._rules: dict[str, Rule] | None = None
        self._changed_at: Any = None
        self._looked = self._read = float("-inf")

    def rules(self) -> dict[str, Rule]:
        """Return every schedule by name; the same dictionary until something has changed."""
        if not tables.installed():
            return self._of_settings
        now = time.monotonic()
        if self._rules is None or now - self._looked >= LOOK_SECONDS:
            self._looked = now
            # Asked before the rows are read: an edit in between is seen at the next look.
            changed_at = tables.changed_at()
            if (
                self._rules is None
                or changed_at != self._changed_at
                or now - self._read >= READ_SECONDS
            ):
                self._changed_at, self._read = changed_at, now
                of_tables = {rule.name: rule for rule in tables.rules_of_tables(self._app)}
                self._rules = _together(self._of_settings, of_tables)
        return self._rules

    def forget(self) -> None:
        """Read all anew at the next look."""
        self._rules = None


def _together(of_settings: dict[str, Rule], of_tables: dict[str, Rule]) -> dict[str, Rule]:
    both = {
        name: replace(rule, enabled=of_tables[name].enabled, row=of_tables[name].row)
        for name, rule in of_settings.items()
        if name in of_tables
    }
    return {**of_tables, **of_settings, **both}
