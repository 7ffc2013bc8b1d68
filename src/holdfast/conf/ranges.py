"""What a setting may be, and what two of them may not say together: a refusal names the setting and the repair."""

from __future__ import annotations

import logging
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from holdfast.exceptions import ConfigurationError

if TYPE_CHECKING:
    from holdfast.conf import Settings

FAIR, STRICT = "fair", "strict"
HEALTH_PARTS = ("database", "migrations", "broker", "backlog")
UNSIGNED = ("accept", "warn", "refuse")
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


def check(values: Mapping[str, Any]) -> None:
    """Refuse a value that its setting cannot have.

    Raises:
        ConfigurationError: which setting it is, what it is set to, and what it may be.
    """
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
    _check_queues(values)
    _check_console(values.get("console_access", ""))
    _check_health(values.get("ready_needs", ()))
    _check_networks(values.get("metrics_from", ()))


def check_together(settings: Settings) -> None:
    """Refuse settings that contradict one another.

    Raises:
        ConfigurationError: which they are, and which of them must change.
    """
    _check_canaries(settings.canary_seconds, settings.stall_seconds)
    _check_scaling(settings)


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


def seconds(key: str, value: Any) -> float:
    """Return a number of seconds, also of a text out of a variable.

    Raises:
        ConfigurationError: it is none, or less than 0.
    """
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
