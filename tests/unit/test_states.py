"""The table of states and moves: whole, and in step with what Celery shows."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from celery import states as celery_states

from holdfast.ledger import states
from holdfast.ledger.states import CELERY_STATE, DEAD_LETTERS, FINAL, MOVES, OPEN, State


def test_numbers_of_states_never_change() -> None:
    assert [(state.name, state.value) for state in State] == [
        ("HELD", 0),
        ("QUEUED", 1),
        ("RUNNING", 2),
        ("SUCCEEDED", 3),
        ("FAILED", 4),
        ("CANCELLED", 5),
        ("EXPIRED", 6),
        ("DEAD", 7),
    ]


def test_every_state_is_either_open_or_final() -> None:
    assert set(State) == OPEN | FINAL
    assert not OPEN & FINAL
    assert DEAD_LETTERS < FINAL
    assert all(states.is_final(state) == (state in FINAL) for state in State)


def test_only_who_replays_or_discards_takes_a_job_out_of_a_final_state() -> None:
    leaving = {verb: move for verb, move in MOVES.items() if move.sources & FINAL}
    assert set(leaving) == {"replay", "discard"}
    assert leaving["discard"].sources == DEAD_LETTERS
    assert leaving["discard"].targets <= FINAL, "what was given up comes back by a replay alone"


def test_every_state_can_be_reached_and_every_open_one_left() -> None:
    reached = {state for move in MOVES.values() for state in move.targets}
    left = {state for move in MOVES.values() for state in move.sources}
    assert reached == set(State)
    assert left >= OPEN


def test_only_a_claim_starts_a_job() -> None:
    assert [verb for verb, move in MOVES.items() if State.RUNNING in move.targets] == ["claim"]


@pytest.mark.parametrize("state", State)
def test_celery_is_told_ready_exactly_for_final_states(state: State) -> None:
    assert (CELERY_STATE[state] in celery_states.READY_STATES) == (state in FINAL)


def test_table_needs_nothing_but_the_standard_library() -> None:
    tree = ast.parse(Path(states.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported <= set(sys.stdlib_module_names)
