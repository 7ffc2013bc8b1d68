"""The mark `short_on` leaves out what it says, and never all of a test."""

from __future__ import annotations

import pytest

from tests.kinds import is_of


@pytest.mark.parametrize(
    ("kinds", "values", "is_short"),
    [
        (["sqlite"], ["sqlite", "killed"], True),
        (["sqlite"], ["postgres", "killed"], False),
        (["sqlite"], ["postgres-threads"], False),
        (["sqlite", "threads"], ["postgres-threads"], True),
        (["sqlite-gevent", "postgres-threads"], ["sqlite", "gevent"], True),
        (["sqlite-gevent", "postgres-threads"], ["postgres", "gevent"], False),
        (["sqlite-gevent", "postgres-threads"], [("postgres", "gevent")], False),
    ],
)
def test_case_is_short_on_the_kinds_that_are_named(
    kinds: list[str], values: list[object], is_short: bool
) -> None:
    assert is_of(kinds, values) is is_short


def test_case_that_does_not_say_its_kind_is_short() -> None:
    assert is_of(["sqlite"], ["killed", 3, None])
    assert is_of(["sqlite-gevent"], ["sqlite"])


def test_kind_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"'sqlight'.*sqlite"):
        is_of(["sqlight"], ["sqlite"])
