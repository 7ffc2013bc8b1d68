"""Secrets in a form: they come back where they stood, and are written as stars nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kombu.utils.json import dumps

from holdfast import Celery
from holdfast.dispatch import editing
from holdfast.exceptions import SelectionRefused
from holdfast.ledger.records import Message
from tests.console.job_rows import STARS
from tests.surroundings import current_app


@pytest.fixture(autouse=True)
def app() -> Iterator[Celery]:
    with current_app("memory://") as app:
        yield app


def message(args: Any = (), kwargs: Any = None, **more: Any) -> Message:
    said: dict[str, Any] = {
        "job": "j",
        "task": "t",
        "headers": "{}",
        "body": dumps([args, kwargs or {}, {}]).encode(),
        "content_type": "application/json",
        "content_encoding": "utf-8",
    }
    return Message(**said | more)


def edit(app: Celery, of: Message, **kwargs: Any) -> Any:
    args = kwargs.pop("args", None)
    form = editing.for_editing(app, of)
    shown = json.loads(form.kwargs)
    return editing.edited(
        app, of, args=form.args if args is None else args, kwargs=json.dumps(shown | kwargs)
    )


SECRETS = {
    "password": "one",
    "who": {"token": "two", "name": "ada"},
    "cards": [{"secret": "three", "n": 1}, {"secret": "four", "n": 2}],
}


def test_what_is_left_alone_keeps_its_secrets(app: Celery) -> None:
    of = message([1], SECRETS)
    form = editing.for_editing(app, of)
    assert not {"one", "two", "three", "four"} & set(form.kwargs.split('"'))
    assert edit(app, of) == ([1], SECRETS)
    assert edit(app, of, args="[2]", who={"token": STARS, "name": "bob"}) == (
        [2],
        SECRETS | {"who": {"token": "two", "name": "bob"}},
    )


def test_secret_is_replaced_by_what_is_written_over_it(app: Celery) -> None:
    _, kwargs = edit(app, message([], SECRETS), password="new")
    assert kwargs["password"] == "new"


@pytest.mark.parametrize(
    "cards",
    [
        [{"secret": STARS, "n": 2}],
        [{"secret": STARS, "n": 9}],
        [{"secret": STARS, "n": 1}, {"secret": STARS, "n": 2}, {"secret": STARS, "n": 3}],
        [{"secret": STARS, "n": 2}, {"secret": STARS, "n": 1}],
        [STARS, {"secret": STARS, "n": 2}],
        STARS,
    ],
)
def test_stars_that_stand_for_nothing_certain_are_refused(app: Celery, cards: Any) -> None:
    with pytest.raises(SelectionRefused, match="is stars"):
        edit(app, message([], SECRETS), cards=cards)


def test_part_of_a_list_may_change_where_its_order_stays(app: Celery) -> None:
    _, kwargs = edit(
        app, message([], SECRETS), cards=[{"secret": STARS, "n": 9}, {"secret": "new", "n": 2}]
    )
    assert kwargs["cards"] == [{"secret": "three", "n": 9}, {"secret": "new", "n": 2}]


def test_stars_under_a_new_name_are_refused(app: Celery) -> None:
    with pytest.raises(SelectionRefused, match=r"kwargs\.other is stars"):
        edit(app, message([], SECRETS), other=STARS)


def test_what_the_sender_describes_is_hidden_whole_and_kept(app: Celery) -> None:
    of = message([1, 2], {"a": 1}, headers=json.dumps({"argsrepr": "(two numbers)"}))
    form = editing.for_editing(app, of)
    assert json.loads(form.args) == STARS
    assert edit(app, of, a=2) == ([1, 2], {"a": 2})


def test_values_that_json_writes_in_its_own_way_come_back_as_they_were(app: Celery) -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    kwargs = {"at": datetime(2026, 1, 2, tzinfo=UTC), "price": Decimal("1.10"), "b": b"\xff"}
    of = message([], kwargs)
    form = editing.for_editing(app, of)
    assert editing.edited(app, of, args=form.args, kwargs=form.kwargs) == ([], kwargs)


@pytest.mark.parametrize(
    ("of", "says"),
    [
        (message(content_type="application/x-yaml"), "sent as application/x-yaml"),
        (message(["x" * 70_000]), "more than 64 KiB"),
        (message(body=b"{"), "cannot be shown"),
    ],
)
def test_what_no_form_can_hold_is_refused_with_another_way(
    app: Celery, of: Message, says: str
) -> None:
    assert says in editing.for_editing(app, of).refused


@pytest.mark.parametrize(("args", "kwargs"), [("{}", "{}"), ("[]", "[]"), ("1", "{}"), ("[", "{}")])
def test_what_is_no_list_and_object_is_refused(app: Celery, args: str, kwargs: str) -> None:
    with pytest.raises(SelectionRefused):
        editing.edited(app, message(), args=args, kwargs=kwargs)


def test_difference_says_what_changed_and_no_secret(app: Celery) -> None:
    before = message([1], SECRETS)
    after = message([2], SECRETS)
    assert editing.difference(app, before, after) == ["- args:   1", "+ args:   2"]
    hidden = message([1], SECRETS | {"password": "other"})
    assert editing.difference(app, before, hidden) == ["? a hidden value"]
    assert editing.difference(app, before, before) == []
    broken = replace(before, body=b"{")
    assert editing.difference(app, broken, before) == ["? cannot be decoded here"]
    long = message(list(range(5_000)))
    assert len(editing.difference(app, message(), long)) == editing.MOST_LINES + 1
