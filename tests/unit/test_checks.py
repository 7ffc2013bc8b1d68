"""The checks of Celery's settings that nothing else shows: which value is found, and what the repair is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings

from holdfast import Celery, checks
from holdfast.conf import read
from holdfast.exceptions import ConfigurationError


def _found(id: str, **settings: Any) -> list[str]:
    app = Celery("checked", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(settings)
    return [message.hint or "" for message in checks._check_conf(app.conf) if message.id == id]


@pytest.mark.parametrize(
    ("settings", "repair"),
    [
        ({"broker_connection_max_retries": 0}, "None"),
        ({"broker_connection_retry": False}, "Remove it"),
    ],
)
def test_worker_that_would_end_at_the_first_lost_connection_is_found(
    settings: dict[str, Any], repair: str
) -> None:
    (hint,) = _found(checks.GIVES_UP, **settings)
    assert repair in hint


@pytest.mark.parametrize("retries", [None, 100])
def test_worker_that_tries_again_is_not_found(retries: int | None) -> None:
    assert not _found(checks.GIVES_UP, broker_connection_max_retries=retries)


def test_task_to_be_encrypted_without_a_key_is_found_with_its_name() -> None:
    task = SimpleNamespace(name="shop.tasks.file_report", encrypt=True)
    with override_settings(HOLDFAST={}):
        (found,) = checks._check_encrypted([task, SimpleNamespace(name="other")])
    assert (found.id, "shop.tasks.file_report" in found.msg) == (checks.NO_ENCRYPTION_KEY, True)
    with override_settings(HOLDFAST={"encryption_keys": ["A" * 43 + "="]}):
        assert not list(checks._check_encrypted([task]))


@pytest.mark.parametrize(("mode", "found"), [("accept", 1), ("warn", 1), ("refuse", 0)])
def test_mode_that_runs_unsigned_messages_is_found(mode: str, found: int) -> None:
    with override_settings(HOLDFAST={"unsigned": mode}):
        assert [message.id for message in checks.check_unsigned()] == [checks.UNSIGNED_RUN] * found


def test_unknown_mode_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="accept, warn, refuse"):
        read({"unsigned": "reject"})
