"""Which moves each function of the ledger may make, and a watch over those it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from itertools import product
from typing import Any
from unittest import mock

from django.db import connections

from holdfast.ledger import (
    ends,
    interventions,
    pauses,
    publishing,
    rerouting,
    snoozing,
    transitions,
)
from holdfast.ledger.limiting import admission, limits
from holdfast.ledger.models import Job
from holdfast.ledger.states import MOVES, State

# From one state, or from no row at all, to another.
Step = tuple[State | None, State]

# A function makes the moves of its own name, unless it stands here.
_MOVES_OF: dict[str, set[str]] = {
    "record": {"record", "take_over", "supersede", "postpone"},
    "record_fresh": {"record"},
    "record_alike": {"record"},
    "publish_due": {"publish"},
    "ignore": {"succeed"},
    "succeed_many": {"succeed"},
    # A job that was asked to stop is cancelled where it would go on.
    "retry": {"retry", "replace", "revoke"},
    "snooze": {"snooze", "revoke"},
    "hand_back": {"hand_back", "revoke"},
    "lose": {"rescue", "revoke"},
    "rescue": {"rescue", "revoke"},
    "bury_attempt": {"reject"},
    "store_bare": {"abandon"},
    "store_result": set(),
    "settle": set(),
    "end_long_waits": set(),
    "replay_many": {"replay"},
    "edit": set(),
    "admit": {"admit", "skip"},
    "line_up_due": {"line_up"},
    "reroute": {"reroute", "redirect"},
}
_NO_MOVES = {"forget", "refuse"}
# What makes fewer steps than its verb may: for what most calls are, due at once under a new id.
_STEPS_OF: dict[str, set[Step]] = {
    "record_fresh": {(None, State.QUEUED)},
    "record_alike": {(None, State.QUEUED)},
}


def functions() -> dict[str, Callable[..., Any]]:
    """Return the public functions of the modules that move a job or must leave it where it is."""
    others: dict[str, Callable[..., Any]] = {
        "admit": admission.admit,
        "line_up_due": limits.line_up_due,
        "shelve": pauses.shelve,
        "wake": pauses.wake,
    }
    return others | {
        name: value
        for module in (transitions, publishing, interventions, rerouting, snoozing, ends)
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
        and not name.startswith("_")
        and name not in _NO_MOVES
    }


def moves_of(function: str) -> set[str]:
    """Return the verbs of the table that a function stands for."""
    return _MOVES_OF.get(function, {function})


def steps_of(function: str) -> set[Step]:
    """Return every step a function may make by the table."""
    if function in _STEPS_OF:
        return _STEPS_OF[function]
    steps: set[Step] = set()
    for move in (MOVES[verb] for verb in moves_of(function)):
        sources: set[State | None] = set(move.sources) or {None}
        steps |= set(product(sources, move.targets))
    return steps


@contextmanager
def watched(alias: str) -> Iterator[set[tuple[str, Step]]]:
    """Fail at any step that is not in the table; collect those that are, by function."""
    seen: set[tuple[str, Step]] = set()
    with ExitStack() as patches:
        for name, function in functions().items():
            patches.enter_context(
                mock.patch(f"{function.__module__}.{name}", _watched(alias, name, function, seen))
            )
        yield seen


def _watched(
    alias: str, name: str, function: Callable[..., Any], seen: set[tuple[str, Step]]
) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = _rows(alias)
        try:
            return function(*args, **kwargs)
        finally:
            for id, (state, token) in _rows(alias).items():
                was, old = before.get(id, (None, 0))
                if (state, token) != (was, old):
                    assert (was, state) in steps_of(name), f"{name}: {was!r} to {state!r}"
                    assert token == old + 1, f"{name} raised the token from {old} to {token}"
                    seen.add((name, (was, state)))

    return call


def _rows(alias: str) -> dict[str, tuple[State, int]]:
    # The statements of the watch are none of those that a test lets fail.
    with mock.patch.object(connections[alias], "execute_wrappers", []):
        rows = Job.objects.using(alias).values_list("id", "state", "token")
        return {id: (State(state), token) for id, state, token in rows}
