"""What jobs are looked for by: one typed filter, with a flat form for addresses and JSON.

JobFilter.of({"state": "failed,dead", "task": "shop.*", "args.order_id": "42"})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.reads.search import values
from holdfast.ledger.reads.search.moments import FORMS, Moment
from holdfast.ledger.reads.search.values import Argument, Pair
from holdfast.ledger.states import FINAL, State

# Every key with what may stand behind it.
KEYS: dict[str, str] = {
    "state": f"{', '.join(state.name.lower() for state in State)}; several with commas",
    "task": "the name of a task, or how it begins: shop.*",
    "queue": "the name of a queue",
    "worker": "the name of a worker, how it begins with *, or the id of one of its starts",
    "since": f"recorded then or later: {FORMS}",
    "until": f"recorded then or before: {FORMS}",
    "finished_since": f"finished then or later: {FORMS}",
    "finished_until": f"finished then or before: {FORMS}",
    "error": "text in the error of the last attempt, upper and lower case alike",
    "reason": "why it ended: error, poison, discarded ...",
    "hold": "why it is held: eta, retry, snooze, relay, replaced, limit or pause",
    "fingerprint": "the sixteen hex digits that failures of one cause share",
    "batch": "the id of a batch",
    "group": "the id of a group",
    "root": "the id of the first job of a workflow",
    "correlation": "the correlation_id among the headers it was called with",
    "id": "the id of a job, or how it begins: 019f*; several with commas",
}
# And the keys that end in a name of the caller's own.
ARGUMENT = "args.NAME, args.0 or kwargs.NAME with a value: args.order_id:42"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """What a job must be to be found; what is empty or None asks for nothing. All that is asked must fit.

    Attributes:
        states: one of these.
        task: the name of the task, or how it begins if there is a * at the end; of the worker the same.
        since: recorded then or later; with `until`, `finished_since` and `finished_until` alike.
        ids: one of these; each may be a beginning with a * at its end.
        arguments: what it was called with, as people may see it: a secret is not found.
    """

    states: tuple[State, ...] = ()
    task: str = ""
    queue: str = ""
    worker: str = ""
    since: Moment | None = None
    until: Moment | None = None
    finished_since: Moment | None = None
    finished_until: Moment | None = None
    error: str = ""
    reason: str = ""
    hold: str = ""
    fingerprint: str = ""
    batch: str = ""
    group: str = ""
    root: str = ""
    correlation: str = ""
    ids: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> JobFilter:
        """Read the flat form: texts by key, where several values stand in a list or with commas between them.

        Raises:
            SelectionRefused: a key or a value is none; the message names it and says what may stand there.
        """
        pairs = list[Pair]()
        for key, value in asked.items():
            several = value if isinstance(value, list | tuple) else [value]
            pairs += [Pair(key, str(one)) for one in several if str(one)]
        return cls.of_pairs(pairs)

    @classmethod
    def of_pairs(cls, pairs: Iterable[Pair]) -> JobFilter:
        """Read keys with their values, in the order in which somebody has written them.

        Raises:
            SelectionRefused: as `of`.
        """
        found: dict[str, Any] = {}
        for pair in pairs:
            if pair.is_argument:
                found["arguments"] = (*found.get("arguments", ()), values.argument(pair))
            elif pair.key == "state":
                found["states"] = _joined(found.get("states", ()), values.states(pair))
            elif pair.key == "id":
                found["ids"] = _joined(found.get("ids", ()), values.ids(pair))
            elif pair.key not in KEYS:
                raise values.unknown_key(pair, KEYS, also=ARGUMENT)
            elif pair.key in found:
                raise SelectionRefused(
                    f"{pair}: {pair.key} stands there already, as {found[pair.key]!s}. Take one of the two out."
                )
            else:
                found[pair.key] = values.one(pair, means=KEYS[pair.key])
        wanted = cls(**found)
        wanted._refuse_what_cannot_be()
        return wanted

    def pairs(self) -> list[Pair]:
        """Return keys and values, each as somebody would write it; `of_pairs` makes the same filter of them."""
        found = [Pair("state", state.name.lower()) for state in self.states]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in KEYS and value:
                found.append(Pair(field.name, str(value)))
        found += [Pair("id", id) for id in self.ids]
        return [*found, *(argument.pair() for argument in self.arguments)]

    def flat(self) -> dict[str, str | list[str]]:
        """Return the flat form; `of` makes the same filter of it. A key that stands there more than once has a list."""
        found: dict[str, str | list[str]] = {}
        for key, value in self.pairs():
            before = found.get(key)
            if before is None:
                found[key] = value
            else:
                found[key] = [*(before if isinstance(before, list) else [before]), value]
        return found

    def without(self, pair: Pair) -> JobFilter:
        """Return the filter without one of its pairs."""
        return self.of_pairs(one for one in self.pairs() if one != pair)

    @property
    def asks_finished(self) -> bool:
        """Whether it asks for jobs that are over, and for these alone."""
        return bool(self.states and FINAL.issuperset(self.states)) or bool(
            self.finished_since or self.finished_until
        )

    @property
    def looks_into_bodies(self) -> bool:
        """Whether what jobs were called with has to be looked at, one by one."""
        return bool(self.arguments or self.correlation)

    def __bool__(self) -> bool:
        return bool(self.pairs())

    def _refuse_what_cannot_be(self) -> None:
        values.refuse_too_many(self.ids)
        for since, until in (("since", "until"), ("finished_since", "finished_until")):
            values.refuse_backwards(since, getattr(self, since), until, getattr(self, until))


def _joined(before: tuple[Any, ...], more: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys((*before, *more)))
