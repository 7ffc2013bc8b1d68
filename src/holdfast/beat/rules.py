"""A schedule as it was written down: what is called, when, and what becomes of due times that were missed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.module_loading import import_string

from holdfast.beat.timing import Timing, timing_of
from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.schedules import Standing

CATCH_UP_MAX = 10
_OURS = ("catch_up", "catch_up_max", "should_run", "timezone")
_KEYS = ("task", "schedule", "args", "kwargs", "options", "relative", "last_run_at", *_OURS)
# What Celery's own entries carry along; it means nothing here.
_IGNORED = ("name", "app", "total_run_count")
LONGEST_NAME = 255


class CatchUp(StrEnum):
    """What becomes of due times at which no scheduler lived."""

    SKIP = "skip"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One schedule of one source."""

    name: str
    task: str
    timing: Timing
    source: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    catch_up: CatchUp = CatchUp.SKIP
    catch_up_max: int = CATCH_UP_MAX
    should_run: Callable[[datetime], Any] | None = None
    enabled: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    one_off: bool = False
    # From when on it counts if no scheduler has seen it before; None: from when it is seen.
    since: datetime | None = None
    # Its row in the tables of django-celery-beat.
    row: int | None = None

    def is_standing(self, standing: Standing | None) -> bool:
        """Tell whether what the ledger says was decided by this very rule, without a gap."""
        return standing is not None and standing.active and standing.timing == self.timing.text

    def due_after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """Return the first due time after a moment; None if there is none any more."""
        if self.starts_at is not None:
            anchor = self.starts_at
            moment = max(moment, self.starts_at - timedelta(microseconds=1))
        due = self.timing.after(moment, anchor=anchor)
        return None if due is None or (self.ends_at and due >= self.ends_at) else due


def rules_of_settings(app: Any) -> Iterator[Rule]:
    """Yield the schedules of `CELERY_BEAT_SCHEDULE` and of `add_periodic_task`, and Celery's own clean-up.

    Raises:
        ConfigurationError: an entry cannot be read; the message names it.
    """
    entries = dict(app.conf.beat_schedule or {})
    if app.conf.result_expires and not app.backend.supports_autoexpire:
        from celery.schedules import crontab

        entries.setdefault(
            "celery.backend_cleanup",
            {
                "task": "celery.backend_cleanup",
                "schedule": crontab("0", "4"),
                "options": {"expires": 12 * 3600},
            },
        )
    for name, entry in entries.items():
        yield rule_of(name, entry, app)


def rule_of(name: Any, entry: Any, app: Any) -> Rule:
    """Return the rule of one entry of `CELERY_BEAT_SCHEDULE`.

    Raises:
        ConfigurationError: it cannot be read; the message names it.
    """
    try:
        return _rule_of(str(name), dict(entry), app)
    except (ConfigurationError, TypeError, ValueError, KeyError) as error:
        raise ConfigurationError(f"CELERY_BEAT_SCHEDULE[{name!r}]: {error}") from error


def _rule_of(name: str, entry: dict[str, Any], app: Any) -> Rule:
    for key in entry:
        if key not in _KEYS and key not in _IGNORED:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(_KEYS)}"
            raise ConfigurationError(f"{key!r} is no key of a schedule: {hint}")
    if len(name) > LONGEST_NAME:
        raise ConfigurationError(f"its name is longer than {LONGEST_NAME} characters: shorten it")
    if not entry.get("task") or entry.get("schedule") is None:
        raise ConfigurationError("a schedule needs the keys 'task' and 'schedule'")
    options = dict(entry.get("options") or {})
    # In the options they reach us from add_periodic_task() too, which knows no other keys.
    said = {key: options.pop(key) for key in _OURS if key in options}
    said |= {key: entry[key] for key in _OURS if key in entry}
    zone = _zone(said.pop("timezone", None))
    when = entry["schedule"]
    if entry.get("relative"):
        from celery.schedules import maybe_schedule

        when = maybe_schedule(when, True, app=app)
    return Rule(
        name=name,
        task=entry["task"],
        timing=timing_of(when, app=app, zone=zone),
        source="settings",
        args=entry.get("args") or (),
        kwargs=entry.get("kwargs") or {},
        options=options,
        since=_aware(entry.get("last_run_at")),
        **conduct(name, said),
    )


def conduct(
    name: str, said: Mapping[str, Any], *, default: CatchUp = CatchUp.SKIP
) -> dict[str, Any]:
    """Return catch-up rule and condition of a schedule; what `HOLDFAST["schedules"]` says of its name wins.

    Raises:
        ConfigurationError: a value means nothing; the message has those that do.
    """
    said = {**said, **(get_settings().schedules or {}).get(name, {})}
    unknown = said.keys() - {"catch_up", "catch_up_max", "should_run"}
    if unknown:
        raise ConfigurationError(
            f"{', '.join(sorted(map(repr, unknown)))}: give catch_up, catch_up_max or should_run"
        )
    try:
        catch_up = CatchUp(said.get("catch_up", default))
    except ValueError:
        raise ConfigurationError(
            f"catch_up is {said['catch_up']!r}: give {', '.join(map(repr, map(str, CatchUp)))}"
        ) from None
    most = said.get("catch_up_max", CATCH_UP_MAX)
    if not isinstance(most, int) or most < 1:
        raise ConfigurationError(f"catch_up_max is {most!r}: give a whole number greater than 0")
    should_run = said.get("should_run")
    if isinstance(should_run, str):
        try:
            should_run = import_string(should_run)
        except ImportError as error:
            raise ConfigurationError(f"should_run cannot be imported: {error}") from error
    if should_run is not None and not callable(should_run):
        raise ConfigurationError(
            f"should_run is {should_run!r}: give a function of the due time, or its dotted path"
        )
    return {"catch_up": catch_up, "catch_up_max": most, "should_run": should_run}


def _aware(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _zone(name: Any) -> tzinfo | None:
    if name is None or isinstance(name, tzinfo):
        return name
    if str(name).upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(f"timezone is {name!r}: {error}") from error
