"""A process that only looks at jobs hides what a task says is secret, though nothing in it has imported the task."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.dispatch import calls
from holdfast.dispatch.known import task_named
from holdfast.dispatch.redaction import STARS
from holdfast.ledger.records import Message
from tests.batched import NOWHERE
from tests.surroundings import current_app

MODULE = '''
from celery import current_app

@current_app.task(name="late.pay", shared=False, redact=("card",))
def pay(card, amount=0):
    """Never run."""
'''


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module of tasks that nobody has imported."""
    (tmp_path / "late_tasks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "late_tasks"
    sys.modules.pop("late_tasks", None)


def test_secret_is_hidden_of_a_task_that_was_not_imported(late: str) -> None:
    with current_app(NOWHERE, include=[late]) as app:
        assert "late.pay" not in app.tasks
        shown = calls.clean(app, "late.pay", {"card": "4242", "amount": 7})
    assert shown == {"card": STARS, "amount": 7}


def test_edit_is_held_against_a_task_that_was_not_imported(late: str) -> None:
    body = json.dumps([[], {"card": "4242"}, {}]).encode()
    message = Message(
        job="j",
        task="late.pay",
        headers="{}",
        body=body,
        content_type="application/json",
        content_encoding="utf-8",
    )
    with (
        current_app(NOWHERE, include=[late]) as app,
        pytest.raises(Exception, match="cannot be called with these arguments"),
    ):
        calls.edited(app, message, args=[1, 2, 3], kwargs={})


def test_modules_are_imported_once_and_one_that_fails_is_said(
    late: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "late_tasks.py").write_text("raise ImportError('no such library')")
    with current_app(NOWHERE, include=[late]) as app, caplog.at_level(logging.ERROR, "holdfast"):
        assert task_named(app, "late.pay") is None
        assert task_named(app, "late.pay") is None
    assert [record.message for record in caplog.records] == [
        "Not all task modules can be imported here: what their tasks declare, such as redact=, is not known"
    ]
