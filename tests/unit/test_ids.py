"""Ids that sort by the time they were made."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from holdfast.ledger import ids


def test_id_is_a_uuid_of_version_7() -> None:
    value = UUID(ids.new_id())
    assert value.version == 7
    assert value.variant == "specified in RFC 4122"


def test_ids_are_unique() -> None:
    assert len({ids.new_id() for _ in range(10_000)}) == 10_000


def test_later_ids_sort_after_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1_700_000_000_000_000_000, 1_700_000_001_000_000_000, 10_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    made = [ids.new_id() for _ in range(100)]
    assert made == sorted(made)


def test_id_tells_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = ids.minted_at(ids.new_id())
    assert made is not None
    assert abs((made - before).total_seconds()) < 1


@pytest.mark.parametrize(
    "foreign", ["0d3c7c1e-5f0c-4b6e-9d43-8a1f5b2c7e90", "order 17", "", "0197"]
)
def test_id_from_elsewhere_tells_nothing(foreign: str) -> None:
    assert ids.minted_at(foreign) is None
