"""Limits as the code states them: what a task or a queue may do at once, and what one call takes of it.

Runs in every process that sends. Nothing here asks the ledger.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError
from holdfast.ledger.limiting.bounds import Bounds, parse_rate
from holdfast.ledger.records import Use

LONGEST = 255
# What the code of this process says of each limit that it has used or registered.
_stated: dict[str, Limit] = {}
# Limits that were made of settings and of Celery's `rate_limit`, with what they were made of.
_made: dict[str, tuple[Any, Limit]] = {}


@dataclass(frozen=True)
class Limit:
    """What may be under way at once, and how many may begin per period, in the whole cluster.

    `@shared_task(limit=holdfast.Limit("exports", concurrency=10, by="tenant_id", per_key=2))`; a list of them
    is allowed, and tasks may share one. What does not fit waits in the ledger.

    Args:
        name: of the limit, in the whole ledger.
        concurrency: most jobs that are queued or running, by their weights.
        rate: how many may begin per period, such as "100/m", "10/s", "5/10s".
        burst: most that may begin at once; what the rate gives in a second if left out, and at least 1.
        by: a parameter of the task, or a function of the call's arguments: jobs of different keys take turns.
        per_key: most jobs of one key that are queued or running, by their weights.
        weight: what one job counts: a number from 1 on, or a function of the call's arguments.
        on_conflict: "wait", or "skip": a job that finds no room is cancelled with the reason "skipped".

    Raises:
        ConfigurationError: something of it cannot be kept.
    """

    name: str
    _: KW_ONLY
    concurrency: int | None = None
    rate: str | float | None = None
    burst: int | None = None
    by: str | Callable[..., Any] | None = None
    per_key: int | None = None
    weight: int | Callable[..., int] = 1
    on_conflict: Literal["wait", "skip"] = "wait"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name) <= LONGEST:
            raise ConfigurationError(
                f"A limit is named {self.name!r}: give 1 to {LONGEST} characters."
            )
        if self.on_conflict not in ("wait", "skip"):
            raise ConfigurationError(
                f"Limit {self.name!r}: on_conflict is {self.on_conflict!r}, give 'wait' or 'skip'."
            )
        if self.per_key is not None and self.by is None:
            raise ConfigurationError(
                f"Limit {self.name!r} has per_key and no key: say by=... or use concurrency."
            )
        if (self.concurrency, self.rate, self.per_key) == (None, None, None):
            raise ConfigurationError(
                f"Limit {self.name!r} bounds nothing: give concurrency, rate or per_key."
            )
        if not callable(self.weight):
            _weight(self.name, self.weight)
        _ = self.bounds

    @property
    def bounds(self) -> Bounds:
        """What of it the ledger keeps."""
        return Bounds(
            concurrency=self.concurrency,
            per_key=self.per_key,
            rate=None if self.rate is None else str(self.rate),
            burst=self.burst,
            skip=self.on_conflict == "skip",
        )

    def use(
        self, body: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Use:
        """Return what one call takes of it.

        Raises:
            ConfigurationError: the key cannot be found, or the weight is none; the call is not sent.
        """
        weight = self.weight(*args, **kwargs) if callable(self.weight) else self.weight
        return Use(self.name, self._key(body, args, kwargs), _weight(self.name, weight))

    def _key(
        self, body: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> str:
        if self.by is None:
            return ""
        key = self.by(*args, **kwargs) if callable(self.by) else _argument(self, body, args, kwargs)
        text = str(key)
        if len(text) > LONGEST:
            # Cut off alone, two long keys could become one.
            text = f"{text[:180]}:{hashlib.sha256(text.encode()).hexdigest()}"
        return text


def as_limits(stated: Any, *, whose: str) -> tuple[Limit, ...]:
    """Return the limits of a task or of a call, given as one, as a list, or as None.

    Raises:
        ConfigurationError: it is something else, or two limits of one name say different things.
    """
    many = () if stated is None else (stated,) if isinstance(stated, Limit) else tuple(stated)
    for limit in many:
        if not isinstance(limit, Limit):
            raise ConfigurationError(
                f"{whose} has limit={limit!r}: give holdfast.Limit(name, ...) or a list of them."
            )
        state(limit)
    if len({limit.name for limit in many}) != len(many):
        raise ConfigurationError(
            f"{whose} has two limits of one name: give each a name of its own."
        )
    return many


def state(limit: Limit) -> None:
    """Remember what this process's code says of a limit.

    Raises:
        ConfigurationError: it has said something else of a limit of this name.
    """
    known = _stated.setdefault(limit.name, limit)
    if known.bounds != limit.bounds:
        raise ConfigurationError(
            f"Limit {limit.name!r} is stated twice, as {known.bounds.as_text()} and as {limit.bounds.as_text()}: "
            "make one Limit and give it to all its tasks, or use two names."
        )


def bounds_of(name: str) -> Bounds | None:
    """Return what this process's code says of a limit."""
    return _stated[name].bounds if name in _stated else None


def of_queue(queue: str) -> tuple[Limit, ...]:
    """Return the limit that HOLDFAST["queue_limits"] puts on a queue."""
    stated = (get_settings().queue_limits or {}).get(queue)
    if stated is None:
        return ()
    made_of, limit = _made.get(f"queue {queue}") or (None, None)
    if limit is None or made_of is not stated:
        limit = _of_setting(queue, stated)
        _made[f"queue {queue}"] = stated, limit
    return (limit,)


def of_queues() -> tuple[Limit, ...]:
    """Return the limits of all queues."""
    return tuple(limit for queue in get_settings().queue_limits or () for limit in of_queue(queue))


def limit_of_rate(task: str) -> str:
    """Return the name of the limit that keeps Celery's `rate_limit` of a task."""
    return f"rate_limit:{task}"


def of_rate(task: str, rate: Any) -> tuple[Limit, ...]:
    """Return the limit that Celery's `rate_limit` of a durable task stands for.

    Celery's bucket holds one token. What this one holds is a tenth of a second's, for rates at which one at a time
    would be a matter of round trips.
    """
    if not rate:
        return ()
    made_of, limit = _made.get(f"rate {task}") or (None, None)
    if limit is None or made_of != rate:
        count, seconds = parse_rate(rate)
        burst = max(1, math.ceil(count / seconds / 10))
        limit = Limit(limit_of_rate(task), rate=str(rate), burst=burst)
        _made[f"rate {task}"] = rate, limit
    _stated[limit.name] = limit
    return (limit,)


def limits_of(task: Any, queue: str, own: Any = None) -> tuple[Limit, ...]:
    """Return the limits of a call: its own or else its task's, its queue's, and that of Celery's `rate_limit`."""
    found = () if own is None else as_limits(own, whose="The call")
    if task is not None:
        found = (found or task.stated_limits) + of_rate(task.name, task.rate_limit)
    return found + of_queue(queue)


def uses_of(
    limits: Sequence[Limit],
    body: Callable[..., Any] | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[Use, ...]:
    """Return what one call takes of its limits, each once, in the order of their names."""
    if len(limits) == 1:
        return (limits[0].use(body, args, kwargs),)
    taken = {limit.name: limit.use(body, args, kwargs) for limit in limits}
    return tuple(taken[name] for name in sorted(taken))


def stated_by(app: Any) -> dict[str, Bounds]:
    """Return all limits that the code and the settings of this process state."""
    found = list(of_queues())
    for task in app.tasks.values():
        if getattr(task, "durable", None) is not False and hasattr(task, "stated_limits"):
            found += [*task.stated_limits, *of_rate(task.name, task.rate_limit)]
    return {limit.name: limit.bounds for limit in found}


def check_parameter(limit: Limit, body: Callable[..., Any], *, task: str) -> None:
    """Refuse a limit whose key is a parameter that the task does not have.

    Raises:
        ConfigurationError: naming those it has.
    """
    if not isinstance(limit.by, str):
        return
    parameters = inspect.signature(body).parameters
    if limit.by not in parameters and not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        raise ConfigurationError(
            f"Task {task!r}: limit {limit.name!r} is by {limit.by!r}, which is no parameter of it. "
            f"It has: {', '.join(parameters) or 'none'}."
        )


def _of_setting(queue: str, stated: Any) -> Limit:
    options = dict(stated) if isinstance(stated, Mapping) else None
    if not isinstance(stated, Limit) and options is None:
        raise ConfigurationError(
            f"HOLDFAST['queue_limits'][{queue!r}] is {stated!r}: give a holdfast.Limit or a dictionary such as "
            "{'concurrency': 10}."
        )
    try:
        limit = (
            stated if options is None else Limit(options.pop("name", f"queue:{queue}"), **options)
        )
    except TypeError as error:
        raise ConfigurationError(f"HOLDFAST['queue_limits'][{queue!r}]: {error}.") from None
    _stated[limit.name] = limit
    return limit


def _argument(
    limit: Limit, body: Callable[..., Any] | None, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    name = str(limit.by)
    if name in kwargs:
        return kwargs[name]
    if body is not None:
        try:
            bound = inspect.signature(body).bind(*args, **kwargs)
        except TypeError as error:
            raise ConfigurationError(
                f"The call does not fit its task ({error}), so limit {limit.name!r} has no key; it is not sent."
            ) from error
        bound.apply_defaults()
        if name in bound.arguments:
            return bound.arguments[name]
    raise ConfigurationError(
        f"Limit {limit.name!r} is by {name!r}, and the call has no such argument; it is not sent. Pass it by name."
    )


def _weight(limit: str, weight: Any) -> int:
    if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight < 2**31:
        raise ConfigurationError(
            f"Limit {limit!r}: the weight of a call is {weight!r}; give a whole number from 1 on."
        )
    return weight
