"""Holdfast's settings: HOLDFAST = {...} in the Django settings becomes one frozen object, read once per process."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from holdfast.conf import ranges
from holdfast.conf.ranges import FAIR, HEALTH_PARTS, STRICT
from holdfast.exceptions import ConfigurationError

__all__ = ["FAIR", "HEALTH_PARTS", "STRICT", "Settings", "get_settings", "read"]


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


# Known to whoever starts the process: a variable such as HOLDFAST_ALIVE_FILE goes before the setting.
_OF_THE_START = ("alive_file", "ready_file", "scheduler_alive_file", "stop_seconds")
_SEVERAL = ("signing_keys", "encryption_keys", "redact", "ready_needs", "metrics_from")


def read(raw: Mapping[str, Any]) -> Settings:
    """Build the settings from the HOLDFAST dictionary.

    Raises:
        ConfigurationError: for an unknown key (with the nearest known one) or a value out of range.
    """
    _require_known(raw)
    values = dict(raw) | _lists(raw)
    ranges.check(values)
    values["stop_seconds"] = ranges.seconds("stop_seconds", values.get("stop_seconds", 0.0))
    settings = Settings(**values)
    ranges.check_together(settings)
    return settings


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
