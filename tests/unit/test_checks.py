"""The checks of Celery's settings that nothing else shows: which value is found, and what the repair is."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import Celery, checks


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
