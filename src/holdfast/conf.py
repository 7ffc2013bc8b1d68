"""Holdfast's settings: HOLDFAST = {...} in the Django settings becomes one frozen object, read once per process."""

from __future__ import annotations

import difflib
import logging
import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from holdfast.exceptions import ConfigurationError

FAIR, STRICT = "fair", "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with their defaults; a bare number carries its unit in its name."""

    database: str = "default"
    """Alias of the database that holds the ledger: the one your own data is in."""
    durable: bool = True
    """Whether a task that says nothing is recorded in the ledger."""
    prepare_statements: bool = True
    """Whether statements are prepared on PostgreSQL where no pooler is noticed between it and us."""
    lease_seconds: float = 30.0
    """How long a worker's claims stand without a heartbeat."""
    sweep_seconds: float = 5.0
    """Pause between two looks of the rescuer and of the reconciler while jobs are under way."""
    relay_seconds: float = 0.5
    """Longest pause between two looks for jobs that became due; three times as long while nothing is under way."""
    grace_seconds: float = 10.0
    """Age from which a queued job that the broker does not show is published again."""
    max_lost_attempts: int = 3
    """A job whose worker was lost this often becomes dead."""
    publish_timeout_seconds: float = 0.5
    """Longest wait for the broker, to connect and to answer, while a caller waits."""
    dead_letter_days: float = 30.0
    """How long failed and dead jobs are kept."""
    audit_days: float = 90.0
    """How long it is kept who replayed, discarded, edited or cancelled jobs."""
    minute_days: float = 8.0
    """How long it is kept what became of jobs minute by minute: what charts are drawn from."""
    keep: Mapping[str, Mapping[str, Any]] | None = None
    """How long finished jobs of some tasks are kept, by patterns of their names: `{"shop.*": {"keep": 3600}}`."""
    prune_batch: int = 1000
    """Rows deleted in one transaction by the pruner."""
    queue_order: str = FAIR
    """How a worker asks its queues: "fair" in turns, "strict" in the order of its -Q."""
    queue_weights: Mapping[str, float] | None = None
    """Shares of a worker's queues, by name, in place of an order; a queue that is not named has 1."""
    checkpoint_max_bytes: int = 262_144
    """Most that a checkpoint of a job may take, as JSON."""
    effect_days: float = 30.0
    """How long an effect is remembered that says nothing else, and at least as long as its job."""
    schedule_late_seconds: float = 60.0
    """How late an occurrence may be and still count as on time; later ones follow their catch-up rule."""
    occurrence_days: float = 30.0
    """How long it is kept what became of the occurrences of schedules."""
    schedules: Mapping[str, Mapping[str, Any]] | None = None
    """Catch-up rule and `should_run` of schedules by name: for those in the tables of django-celery-beat."""
    log_lines: int = 200
    """Most lines that are kept of what an attempt logs, the first and the last ones; 0 keeps none."""
    log_bytes: int = 65536
    """Most bytes that are kept of them."""
    log_level: str = "INFO"
    """Lowest level of the lines that are kept."""
    queue_limits: Mapping[str, Any] | None = None
    """Limits of queues by name: a `holdfast.Limit`, or a dictionary of its options."""
    signing_keys: tuple[str, ...] = ()
    """Keys that sign messages, newest first; empty means derived from SECRET_KEY and its fallbacks."""
    encryption_keys: tuple[str, ...] = ()
    """Keys for what is encrypted at rest, newest first: 32 bytes in URL-safe base64."""
    redact: tuple[str, ...] = ()
    """Names of what is hidden where people look: regular expressions, beside those of Django's error reports."""
    unsigned: str = "warn"
    """What happens to messages without our signature: "accept", "warn" (run, and record it) or "refuse"."""
    claim_ahead_seconds: float = 0.05
    """How much work, by measured run time, a worker claims ahead of a free slot."""
    claim_ahead_max: int = 32
    """Most jobs a worker claims ahead of each slot."""
    canary_seconds: float = 10.0
    """Pause between two canaries, which show whether a worker takes what comes; 0 sends none."""
    stall_seconds: float = 30.0
    """How long a worker with room may take nothing before its consumer is started anew, and then before it ends."""
    alive_file: str = ""
    """File that a worker touches while it is alive; %n and %h stand for parts of its name. Empty: none."""
    autoscale_levels: tuple[tuple[int, int], ...] | None = None
    """(jobs, slots) of a worker with --autoscale, smallest first: the first below so many jobs, the others above."""
    autoscale_wait_seconds: float = 30.0
    """A job that has waited longer makes an autoscaled pool larger, however few wait."""
    autoscale_cooldown_seconds: float = 60.0
    """For how long too few jobs must wait before an autoscaled pool gets smaller, one level at a time."""
    queued_per_worker: int = 100
    """How many waiting jobs one worker is for, where workers are started and ended by how many wait."""
    workers_least: int = 2
    """Fewest workers that a queue asks for."""
    workers_most: int = 10
    """Most workers that a queue asks for."""
    async_desks: int = 4
    """Threads of the asyncio pool in which attempts of coroutines begin and end; each has a database connection."""
    async_sync_threads: int = 8
    """Threads of the asyncio pool for sync tasks; each has a database connection."""
    alerts: Mapping[str, Any] | None = None
    """Who is told of what: rules, and channels that messages go to."""
    tracing: bool = False
    """Whether calls, publications and attempts are spans of OpenTelemetry."""
    scheduler_alive_file: str = ""
    """The same of a scheduler; %h stands for its host. Empty: none."""
    stop_seconds: float = 0.0
    """How long a stopping worker waits for jobs that run before it gives them back; 0 waits as long as they run."""
    ready_file: str = ""
    """File that is there, and young, exactly while a worker takes jobs; %n and %h as in `alive_file`. Empty: none."""
    ready_needs: tuple[str, ...] = ("database", "migrations")
    """Parts of the health that a process must find well to be ready: database, migrations, broker, backlog."""
    backlog_seconds: float = 300.0
    """How long the oldest queued job may have waited before the backlog counts as not well."""
    metrics_token: str = ""
    """Bearer token with which metrics may be read. Empty: none."""
    metrics_from: tuple[str, ...] = ()
    """Addresses and networks from which metrics may be read without a token, such as 10.0.0.0/8."""
    deploy: Mapping[str, Any] | None = None
    """What `manage.py holdfast render` is told of the deployment, beside what the other settings say."""
    console_access: str = ""
    """Path of a function of yours that gets a request and returns what it may do in the console. Empty: permissions."""
    console_read_only: bool = False
    """Whether the console only shows."""

    @property
    def beat_seconds(self) -> float:
        """Pause between two renewals: two may fail before the lease runs out."""
        return self.lease_seconds * 0.4


_POSITIVE = (
    "lease_seconds",
    "sweep_seconds",
    "relay_seconds",
    "grace_seconds",
    "max_lost_attempts",
    "publish_timeout_seconds",
    "dead_letter_days",
    "audit_days",
    "minute_days",
    "prune_batch",
    "checkpoint_max_bytes",
    "schedule_late_seconds",
    "occurrence_days",
    "effect_days",
    "log_bytes",
    "stall_seconds",
    "autoscale_wait_seconds",
    "autoscale_cooldown_seconds",
    "queued_per_worker",
    "workers_least",
    "workers_most",
    "async_desks",
    "async_sync_threads",
    "backlog_seconds",
)

_WHOLE = {
    "async_desks": "threads",
    "async_sync_threads": "threads",
    "queued_per_worker": "jobs",
    "workers_least": "workers",
    "workers_most": "workers",
}
# Known to whoever starts the process: a variable such as HOLDFAST_ALIVE_FILE goes before the setting.
_OF_THE_START = ("alive_file", "ready_file", "scheduler_alive_file", "stop_seconds")
_SEVERAL = ("signing_keys", "encryption_keys", "redact", "ready_needs", "metrics_from")
HEALTH_PARTS = ("database", "migrations", "broker", "backlog")
UNSIGNED = ("accept", "warn", "refuse")


def read(raw: Mapping[str, Any]) -> Settings:
    """Build the settings from the HOLDFAST dictionary.

    Raises:
        ConfigurationError: for an unknown key (with the nearest known one) or a value out of range.
    """
    _require_known(raw)
    values = dict(raw) | _lists(raw)
    _require_keys(values.get("encryption_keys", ()))
    _require_patterns(values.get("redact", ()), where="HOLDFAST['redact']")
    for key in _POSITIVE:
        if key in values and not (isinstance(values[key], int | float) and values[key] > 0):
            raise ConfigurationError(
                f"HOLDFAST[{key!r}] is {values[key]!r}: it must be a number greater than 0; remove it for the default"
            )
    for key, things in _WHOLE.items():
        if type(values.get(key, 1)) is not int:
            raise ConfigurationError(
                f"HOLDFAST[{key!r}] is {values[key]!r}: it must be a whole number of {things}"
            )
    _require_log(values.get("log_lines", 0), values.get("log_level", "INFO"))
    if not isinstance(values.get("keep") or {}, Mapping):
        raise ConfigurationError(
            f"HOLDFAST['keep'] is {values['keep']!r}: it must be a dictionary of patterns of task names, "
            "like {'shop.*': {'keep': 3600, 'keep_last': 1000}}"
        )
    if values.get("unsigned", "warn") not in UNSIGNED:
        raise ConfigurationError(
            f"HOLDFAST['unsigned'] is {values['unsigned']!r}: it must be one of {', '.join(UNSIGNED)}"
        )
    for key in ("durable", "prepare_statements", "tracing", "console_read_only"):
        # A text out of a variable would be true whatever it says.
        if not isinstance(values.get(key, False), bool):
            raise ConfigurationError(
                f"HOLDFAST[{key!r}] is {values[key]!r}: it must be True or False"
            )
    if not isinstance(values.get("metrics_token", ""), str):
        raise ConfigurationError("HOLDFAST['metrics_token'] is no text: write it in quotes")
    values["stop_seconds"] = _seconds("stop_seconds", values.get("stop_seconds", 0.0))
    _check_queues(values)
    _check_console(values.get("console_access", ""))
    _check_health(values.get("ready_needs", ()))
    _check_networks(values.get("metrics_from", ()))
    settings = Settings(**values)
    _check_canaries(settings.canary_seconds, settings.stall_seconds)
    _check_scaling(settings)
    return settings


def _check_scaling(settings: Settings) -> None:
    if settings.workers_least > settings.workers_most:
        raise ConfigurationError(
            f"HOLDFAST['workers_least'] is {settings.workers_least!r}, HOLDFAST['workers_most'] "
            f"{settings.workers_most!r}: the first must not be greater"
        )
    if settings.autoscale_levels is None:
        return
    try:
        jobs, slots = zip(
            *((int(jobs), int(slots)) for jobs, slots in settings.autoscale_levels), strict=True
        )
    except (TypeError, ValueError):
        jobs, slots = (), ()
    if (
        len(jobs) < 2
        or jobs[0] < 1
        or slots[0] < 1
        or list(jobs) != sorted(set(jobs))
        or list(slots) != sorted(slots)
    ):
        raise ConfigurationError(
            f"HOLDFAST['autoscale_levels'] is {settings.autoscale_levels!r}: it must be two or more pairs of whole "
            "numbers (jobs, slots), each greater than the one before, like ((10, 2), (100, 5), (500, 10))"
        )


def _check_console(path: Any) -> None:
    if not isinstance(path, str) or (path and "." not in path):
        raise ConfigurationError(
            f"HOLDFAST['console_access'] is {path!r}: it must be the path of a function, like 'shop.access.console'; "
            "remove it to let Django's permissions decide"
        )


def _check_health(needs: Iterable[Any]) -> None:
    for part in needs:
        if part not in HEALTH_PARTS:
            raise ConfigurationError(
                f"HOLDFAST['ready_needs'] has {part!r}: its parts are {', '.join(HEALTH_PARTS)}"
            )


def _check_networks(networks: Iterable[Any]) -> None:
    for network in networks:
        try:
            ip_network(network, strict=False)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"HOLDFAST['metrics_from'] has {network!r}, which is no address and no network ({error}): write one "
                "like '127.0.0.1' or '10.0.0.0/8'"
            ) from None


def _seconds(key: str, value: Any) -> float:
    try:
        if float(value) >= 0 and not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ConfigurationError(
        f"HOLDFAST[{key!r}] is {value!r}: it must be a number of seconds, and 0 is no bound"
    )


def _check_canaries(pause: Any, patience: Any) -> None:
    if isinstance(pause, bool) or not isinstance(pause, int | float) or pause < 0:
        raise ConfigurationError(
            f"HOLDFAST['canary_seconds'] is {pause!r}: it must be a number, and 0 sends no canaries"
        )
    if patience < 2 * pause:
        raise ConfigurationError(
            f"HOLDFAST['stall_seconds'] is {patience!r} and HOLDFAST['canary_seconds'] {pause!r}: one that is late "
            "must not count as a stall, so the first must be at least twice the second"
        )


def _check_queues(values: Mapping[str, Any]) -> None:
    order, weights = values.get("queue_order", FAIR), values.get("queue_weights")
    if order not in {FAIR, STRICT}:
        raise ConfigurationError(
            f"HOLDFAST['queue_order'] is {order!r}: it must be {FAIR!r} or {STRICT!r}; remove it for the default"
        )
    if not weights:
        return
    if order == STRICT:
        raise ConfigurationError(
            "HOLDFAST['queue_weights'] and HOLDFAST['queue_order'] = 'strict' say two things: remove one of them"
        )
    if not isinstance(weights, Mapping) or not all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and weight > 0
        for weight in weights.values()
    ):
        raise ConfigurationError(
            f"HOLDFAST['queue_weights'] is {weights!r}: it must be a dictionary of queue names and numbers greater "
            "than 0, such as {'critical': 6, 'low': 1}"
        )


def _require_known(raw: Mapping[str, Any]) -> None:
    known = {field.name for field in fields(Settings)}
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            )
            raise ConfigurationError(f"HOLDFAST[{key!r}] is not a setting: {hint}")


def _lists(raw: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return the settings of many values; one text in place of a list would be taken for its letters."""
    found = {key: raw[key] for key in _SEVERAL if key in raw}
    for key, value in found.items():
        if isinstance(value, str):
            raise ConfigurationError(
                f"HOLDFAST[{key!r}] is one text: it must be a list of texts, even of one"
            )
    return {key: tuple(value) for key, value in found.items()}


def _require_log(lines: Any, level: Any) -> None:
    if isinstance(lines, bool) or not isinstance(lines, int) or lines < 0:
        raise ConfigurationError(
            f"HOLDFAST['log_lines'] is {lines!r}: it must be a whole number, and 0 keeps no lines"
        )
    if level not in logging.getLevelNamesMapping():
        known_levels = ", ".join(logging.getLevelNamesMapping())
        raise ConfigurationError(
            f"HOLDFAST['log_level'] is {level!r}: it must be the name of a level: {known_levels}"
        )


def _require_keys(keys: Iterable[Any]) -> None:
    for place, key in enumerate(keys, start=1):
        try:
            good = len(urlsafe_b64decode(key)) == 32
        except (ValueError, TypeError):
            good = False
        if not good:
            # Without the key itself: errors end up in logs.
            raise ConfigurationError(
                f"HOLDFAST['encryption_keys'] has a key that is none, number {place}: it must be 32 bytes in URL-safe "
                "base64; `manage.py holdfast reencrypt --new-key` prints one"
            )


def _require_patterns(patterns: Iterable[str], *, where: str) -> None:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ConfigurationError(
                f"{where} has {pattern!r}, which is no regular expression ({error}): write part of a name, like 'iban'"
            ) from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process."""
    given = {key: os.environ.get(f"HOLDFAST_{key.upper()}") for key in _OF_THE_START}
    said = getattr(django_settings, "HOLDFAST", {})
    if not isinstance(said, Mapping):
        raise ConfigurationError(
            f"HOLDFAST is {said!r}: it must be a dictionary, such as HOLDFAST = {{'lease_seconds': 30}}; remove it for "
            "the defaults"
        )
    return read({**said, **{key: value for key, value in given.items() if value}})


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "HOLDFAST":
        get_settings.cache_clear()


setting_changed.connect(_forget, dispatch_uid="holdfast.conf")
