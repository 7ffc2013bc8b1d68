"""Snooze says when to come back, refuses what cannot be waited for, and survives its way between processes."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import Ignore

from holdfast import Snooze

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds", "until"),
    [
        ({"seconds": 30}, 30.0, None),
        ({"seconds": timedelta(minutes=2)}, 120.0, None),
        ({"seconds": 0}, 0.0, None),
        ({"until": NOON}, None, NOON),
    ],
)
def test_snooze_knows_when_also_after_pickling(said: Any, seconds: Any, until: Any) -> None:
    for snooze in (Snooze(**said, reason="busy"), pickle.loads(pickle.dumps(Snooze(**said)))):
        assert (snooze.seconds, snooze.until) == (seconds, until)
        assert isinstance(snooze, Ignore), "Celery calls no hook for it"
    assert "busy" in str(Snooze(**said, reason="busy"))


@pytest.mark.parametrize(
    ("said", "repair"),
    [
        ({}, "exactly one"),
        ({"seconds": 1, "until": NOON}, "exactly one"),
        ({"seconds": -1}, "from 0"),
        ({"seconds": float("nan")}, "from 0"),
        ({"seconds": float("inf")}, "from 0"),
        ({"seconds": True}, "from 0"),
        ({"seconds": "30"}, "from 0"),
        ({"until": NOON.replace(tzinfo=None)}, "time zone"),
    ],
)
def test_snooze_that_cannot_be_waited_for_is_refused_with_the_repair(
    said: Any, repair: str
) -> None:
    with pytest.raises(ValueError, match=repair):
        Snooze(**said)
