"""The rules and channels of HOLDFAST["alerts"]: read once by each process, wrong words are errors with their repair."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed

from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.alert_kinds import KINDS as KIND_NAMES
from holdfast.ledger.alert_kinds import SEVERITIES

WHERE = "HOLDFAST['alerts']"
# Of the doctor's findings, the worst first.
LEVELS = ("error", "warning", "info")
# By kind of rule: what it may say beyond what all may, with the default of each.
_ASKS: dict[str, dict[str, Any]] = {
    "dead_letter": {"task": "*", "minutes": 15.0},
    "failure_rate": {"task": "", "queue": "", "above": 0.1, "least": 20, "minutes": 10.0},
    "wait": {"queue": "*", "above": 60.0, "least": 5, "minutes": 10.0},
    "oldest": {"queue": "*", "above": 600.0},
    "missed": {"schedule": "*", "minutes": 60.0},
    "worker": {"worker": "*", "minutes": 15.0},
    "unserved": {"queue": "*"},
    "finding": {"id": "*", "level": "error"},
}
KINDS = {kind: _ASKS[kind] for kind in KIND_NAMES}
# Of any number; of minutes, which are looked at one by one.
MOST, MOST_MINUTES = 1e9, 43_200
# Of each kind of channel: what it must say, and what it may.
CHANNELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slack": (("url",), ()),
    "pagerduty": (("routing_key",), ("url",)),
    "email": (("to",), ("from",)),
    "webhook": (("url",), ("secret", "headers")),
    "apprise": (("url",), ()),
}
_COMMON = {"when", "name", "severity", "to", "for_seconds", "clear_seconds"}
DEFAULTS: tuple[Mapping[str, Any], ...] = (
    {"when": "dead_letter"},
    {"when": "worker", "severity": "critical"},
    {"when": "missed"},
    {"when": "unserved", "for_seconds": 120, "severity": "critical"},
    {"when": "oldest", "above": 900},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is looked for, how bad it is, and who is told."""

    name: str
    when: str
    """The kind of rule: dead_letter, failure_rate, wait, oldest, missed, worker, unserved or finding."""
    asks: Mapping[str, Any]
    """What rules of this kind may say, complete."""
    severity: str = "warning"
    to: tuple[str, ...] = ()
    """Names of channels."""
    for_seconds: float = 0.0
    """How long it must be so before it is told."""
    clear_seconds: float = 60.0
    """How long it must be over before that is told."""

    def matches(self, asked: str, name: str) -> bool:
        """Tell whether a name fits the pattern that the rule has for it."""
        return fnmatchcase(name, str(self.asks[asked]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where messages go."""

    name: str
    kind: str
    options: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """All that the settings say."""

    rules: tuple[Rule, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    queue: str = "alerts"
    """Where messages wait to be sent."""
    every_seconds: float = 30.0
    """Pause between two looks."""
    repeat_hours: float = 12.0
    """When what is still wrong is told again; 0 never."""
    finding_seconds: float = 600.0
    """Pause between two looks of the doctor."""
    console_url: str = ""
    """Address of the console, such as https://shop.example/holdfast/, for links."""
    source: str = ""
    """What messages call this site; the host if nothing is said."""

    @property
    def is_on(self) -> bool:
        """Whether anybody can be told of anything: rules can be added at run time, channels cannot."""
        return bool(self.channels)


def read(raw: Any) -> Alerting:
    """Read what the settings say.

    Raises:
        ConfigurationError: naming the place, and what it must be.
    """
    if raw is None:
        return Alerting()
    if not isinstance(raw, Mapping):
        raise ConfigurationError(
            f"{WHERE} is {type(raw).__name__}: it must be a dictionary with 'channels' and 'rules'"
        )
    known = {one.name for one in fields(Alerting)}
    _require_known(WHERE, raw, known)
    values = {key: raw[key] for key in known & raw.keys() - {"rules", "channels"}}
    for key in ("every_seconds", "repeat_hours", "finding_seconds"):
        _require_number(f"{WHERE}[{key!r}]", values.get(key, 1.0), zero=key == "repeat_hours")
    for key in ("queue", "console_url", "source"):
        if not isinstance(values.get(key, ""), str):
            raise ConfigurationError(f"{WHERE}[{key!r}] is {values[key]!r}: it must be a text")
    channels = _channels(raw.get("channels", {}))
    said = raw.get("rules", DEFAULTS if channels else ())
    if isinstance(said, str | Mapping) or not isinstance(said, Sequence):
        raise ConfigurationError(
            f"{WHERE}['rules'] must be a list of dictionaries, like [{{'when': 'dead_letter'}}]"
        )
    rules = tuple(
        read_rule(one, channels, where=f"{WHERE}['rules'][{at}]") for at, one in enumerate(said)
    )
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(
                f"{WHERE}['rules']: two rules are called {name!r}: give each a 'name' of its own"
            )
    return Alerting(rules=rules, channels=channels, **values)


def read_rule(said: Any, channels: Mapping[str, Channel], *, where: str = "rule") -> Rule:
    """Read what one rule says.

    Raises:
        ConfigurationError: naming the place, and what it must be.
    """
    if not isinstance(said, Mapping) or said.get("when") not in KINDS:
        found = said.get("when") if isinstance(said, Mapping) else said
        raise ConfigurationError(
            f"{where}: 'when' is {found!r}: it must be one of {', '.join(KINDS)}"
        )
    when = said["when"]
    asks = _asks(where, said, KINDS[when])
    for key in ("for_seconds", "clear_seconds"):
        _require_number(f"{where}[{key!r}]", said.get(key, 0.0), zero=True)
    severity = said.get("severity", "warning")
    if severity not in SEVERITIES:
        raise ConfigurationError(
            f"{where}['severity'] is {severity!r}: it must be one of {', '.join(SEVERITIES)}"
        )
    about = " ".join(str(value) for value in (asks.get("task"), asks.get("queue")) if value)
    name = said.get("name") or f"{when} {about if about != '*' else ''}".strip()
    if not isinstance(name, str) or len(name) > 100 or not name.isprintable():
        raise ConfigurationError(f"{where}['name'] must be one line of up to 100 letters")
    return Rule(
        name=name,
        when=when,
        asks=asks,
        severity=severity,
        to=_to(where, said.get("to", tuple(channels)), channels),
        **{key: float(said[key]) for key in ("for_seconds", "clear_seconds") if key in said},
    )


def _asks(where: str, said: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a rule says of its own kind, complete."""
    _require_known(where, said, _COMMON | defaults.keys())
    asks = {key: said.get(key, default) for key, default in defaults.items()}
    for key, default in defaults.items():
        if isinstance(default, str) and not isinstance(asks[key], str):
            raise ConfigurationError(f"{where}[{key!r}] is {asks[key]!r}: it must be a text")
        if not isinstance(default, str):
            most = MOST_MINUTES if key == "minutes" else MOST
            _require_number(f"{where}[{key!r}]", asks[key], most=most)
    if asks.get("level", "error") not in LEVELS:
        raise ConfigurationError(
            f"{where}['level'] is {asks['level']!r}: it must be one of {', '.join(LEVELS)}"
        )
    if asks.get("task") and asks.get("queue"):
        raise ConfigurationError(
            f"{where}: say 'task' or 'queue', one of the two: failures are not counted by both"
        )
    return asks


def _to(where: str, said: Any, channels: Mapping[str, Channel]) -> tuple[str, ...]:
    if not isinstance(said, str | Sequence):
        raise ConfigurationError(f"{where}['to'] is {said!r}: it must be a list of channels' names")
    to = (said,) if isinstance(said, str) else tuple(said)
    for name in to:
        if name not in channels:
            raise ConfigurationError(
                f"{where}['to'] names the channel {name!r}, which {WHERE}['channels'] does not have"
            )
    return to


def _channels(said: Any) -> dict[str, Channel]:
    if not isinstance(said, Mapping):
        raise ConfigurationError(f"{WHERE}['channels'] must be a dictionary of channels by name")
    found = {}
    for name, options in said.items():
        where = f"{WHERE}['channels'][{name!r}]"
        kind = options.get("kind") if isinstance(options, Mapping) else None
        if kind not in CHANNELS:
            raise ConfigurationError(
                f"{where}: 'kind' is {kind!r}: it must be one of {', '.join(CHANNELS)}"
            )
        must, may = CHANNELS[kind]
        _require_known(where, options, {"kind", *must, *may})
        for key in must:
            if not options.get(key):
                raise ConfigurationError(f"{where} of kind {kind!r} needs {key!r}")
        url = options.get("url", "https://")
        if kind != "apprise" and not str(url).startswith(("http://", "https://")):
            # Without the address: it is the secret of many a channel.
            raise ConfigurationError(f"{where}['url'] must begin with https:// or http://")
        found[str(name)] = Channel(name=str(name), kind=kind, options=dict(options))
    return found


def _require_known(where: str, said: Mapping[str, Any], known: set[str]) -> None:
    for key in said:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise ConfigurationError(f"{where} has {key!r}, which means nothing here: {hint}")


def _require_number(where: str, value: Any, *, zero: bool = False, most: float = MOST) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < 0 or (not zero and value == 0) or value > most:
        least = "0 or more" if zero else "greater than 0"
        more = f", and {most:,.0f} at most" if good and value > most else ""
        raise ConfigurationError(f"{where} is {value!r}: it must be a number, {least}{more}")


@lru_cache(maxsize=1)
def current() -> Alerting:
    """Return what the settings of this process say.

    Raises:
        ConfigurationError: it cannot be followed.
    """
    return read(get_settings().alerts)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "HOLDFAST":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="holdfast.alerts")
