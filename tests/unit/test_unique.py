"""What a call says of being unique: which keys are the same, and what is refused."""

from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from holdfast.exceptions import ConfigurationError, UniqueConflict
from holdfast.policies.unique import Unique, as_unique

VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.integers()))


def body(first: Any, second: Any = 2, *, third: Any = 3) -> None: ...


def key(unique: Unique, *args: Any, **kwargs: Any) -> str:
    return unique.key("shop.sync", body, args, kwargs, given=None)


@given(first=VALUES, second=VALUES, third=VALUES)
def test_same_call_is_the_same_key_however_it_is_written(
    first: Any, second: Any, third: Any
) -> None:
    for unique in (Unique(), Unique(by=["first", "third"]), Unique(by=body_key)):
        spelt = {
            key(unique, first, second, third=third),
            key(unique, first, second=second, third=third),
            key(unique, third=third, second=second, first=first),
        }
        assert len(spelt) == 1
        assert len(spelt.pop()) <= 255
    assert key(Unique(), first) == key(Unique(), first, 2, third=3)


def body_key(first: Any, second: Any, *, third: Any) -> Any:
    return [first, second, third]


@given(one=VALUES, other=VALUES)
def test_other_arguments_are_another_key(one: Any, other: Any) -> None:
    same = dumps(one) == dumps(other)
    assert (key(Unique(by="first"), one) == key(Unique(by="first"), other)) == same
    assert key(Unique(by="first"), one, 1) == key(Unique(by="first"), one, 2)


def test_names_and_scopes_and_tasks_keep_keys_apart() -> None:
    kinds = [
        Unique(by="first"),
        Unique(by="second"),
        Unique(by=["first", "second"]),
        Unique(by=["second", "first"]),
        Unique(),
        Unique(by="first", scope="unfinished"),
        Unique(by="first", period=5),
    ]
    keys = {key(unique, 1, 1) for unique in kinds}
    keys.add(kinds[0].key("shop.other", body, (1, 1), {}, given=None))
    assert len(keys) == len(kinds) + 1
    assert key(Unique(by="first", conflict="raise"), 1) == key(Unique(by="first"), 1)


def test_arguments_of_open_ended_bodies_have_names() -> None:
    def open_ended(*places: Any, **names: Any) -> None: ...

    unique = Unique(by="order")
    unique.check("t", open_ended)
    assert unique.key("t", open_ended, (), {"order": 1, "x": 2}, given=None) == unique.key(
        "t", open_ended, (5,), {"order": 1}, given=None
    )


def test_long_names_make_keys_that_fit() -> None:
    task = "t" * 255
    keys = {
        Unique(by="first").key(task + end, body, (1,), {}, given=given)
        for end in ("a", "b")
        for given in (None, "g" * 250)
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {255}


@pytest.mark.parametrize(
    "unique",
    [
        Unique(),
        Unique(by=["a", "b"], scope="unfinished", conflict="replace"),
        Unique(by="a", period=timedelta(minutes=1), conflict="raise"),
    ],
)
def test_unique_comes_back_from_its_way_in_a_message(unique: Unique) -> None:
    assert as_unique(loads(dumps({"unique": unique}))["unique"], where="here") == unique


def test_conflict_comes_back_from_another_process() -> None:
    conflict = UniqueConflict("t", "job-1", "k", "the call asked to be told.")
    again = pickle.loads(pickle.dumps(conflict))  # our own
    assert (again.task, again.job, again.key, str(again)) == ("t", "job-1", "k", str(conflict))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"scope": "always"}, "must be one of 'queued', 'unfinished', 'period'"),
        ({"conflict": "drop"}, "must be one of 'existing'"),
        ({"scope": "period"}, "needs a period"),
        ({"scope": "queued", "period": 5}, "no other scope has one"),
        ({"period": -1}, "more than 0"),
        ({"period": True}, "more than 0"),
        ({"period": float("nan")}, "more than 0"),
        ({"period": 1e12}, "ten years at most"),
        ({"by": 5}, "names of arguments"),
        ({"by": []}, "names of arguments"),
        ({"by": ["a", 1]}, "names of arguments"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Unique(**said)
