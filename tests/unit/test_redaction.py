"""What is shown of arguments and results: names decide what is a secret."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from celery.utils.saferepr import saferepr
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from holdfast.conf import read
from holdfast.dispatch.redaction import STARS, Redaction
from holdfast.exceptions import ConfigurationError


class Card(NamedTuple):
    card_number: str
    amount: int


def body(card_number: str, amount: int, *rest: Any, **named: Any) -> None:
    """Be the body of a task."""


RULES = Redaction(SimpleNamespace(run=body, redact=("card_number",)))


def test_names_of_django_the_settings_and_the_task_are_hidden() -> None:
    with override_settings(HOLDFAST={"redact": ["^iban$"]}):
        assert [RULES.hides(name) for name in ("API_TOKEN", "iban", "Card_Number")] == [True] * 3
        assert not any(RULES.hides(name) for name in ("amount", "ibans", 5, ""))


def test_arguments_are_starred_by_their_place_their_name_and_their_key() -> None:
    assert RULES.args(["4111", 5, {"token": "t", "deep": [{"password": "p"}]}, 9]) == [
        STARS,
        5,
        {"token": STARS, "deep": [{"password": STARS}]},
        9,
    ]
    assert RULES.kwargs({"amount": 5, "secret": [1, 2]}) == {"amount": 5, "secret": STARS}


def test_text_of_arguments_by_place_is_made_without_them() -> None:
    said = RULES.args_repr(("4111", 5), 1024)
    assert said is not None
    assert "4111" not in said
    assert said.endswith(", 5)")
    assert RULES.args_repr((), 1024) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"card_number": "4111", "amount": 5}, "{'card_number': " + STARS + ", 'amount': 5}"),
        ({"amount": 5, "card_number": 4111}, "{'amount': 5, 'card_number': " + STARS + "}"),
        ({"password": 'it\'s \\ "4111"', "b": 1}, "{'password': " + STARS + ", 'b': 1}"),
        ({"password": ["4111"], "b": 1}, "{'password': " + STARS + "..."),
        ({"password": b"4111", "b": 1}, "{'password': " + STARS + "..."),
        ([{"api_key": None}, 5], "[{'api_key': " + STARS + "}, 5]"),
        (Card("4111", 5), "Card(card_number=" + STARS + ", amount=5)"),
        ({"amount": 5}, "{'amount': 5}"),
        ({"it's a password": 4111}, '{"it\'s a password": ' + STARS + "}"),
        ("of the keyboard", "'of the keyboard'"),
    ],
)
def test_text_of_a_value_is_shown_without_what_stands_behind_a_secret_name(
    value: Any, shown: str
) -> None:
    assert RULES.text(repr(value)) == shown


SECRET = st.one_of(
    st.text(), st.integers(10**6), st.binary(min_size=9), st.lists(st.integers(10**6), min_size=1)
)


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 99), max_size=3), SECRET, st.integers())
def test_no_part_of_a_secret_is_left_however_the_text_was_cut(
    around: dict[str, int], secret: Any, cut: int
) -> None:
    marked = f"@@{secret}@@" if isinstance(secret, str) else secret
    text = saferepr({**around, "password": marked, "last": 1}, 30 + cut % 60)
    shown = RULES.text(text)
    before = text.partition("'password': ")
    if before[1]:
        left = shown.partition("'password': ")[2]
        # Nothing but stars, the next key and its value, and the mark of a text that was cut.
        assert set(left.removeprefix(STARS)) <= set(", 'last': 1}..."), left


@pytest.mark.parametrize("value", ["iban", ["("], [5]])
def test_wrong_pattern_is_refused_with_its_repair(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"HOLDFAST\['redact'\]"):
        read({"redact": value})
