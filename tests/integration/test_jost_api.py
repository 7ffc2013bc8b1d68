"""What all REST resources of JOST share: tokens, rates, order; seen at the simulations and on a list made here."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from jost.api import rates
from jost.api.listing import Order

pytestmark = pytest.mark.django_db

HOME = "/api/simulations/"


@pytest.fixture
def ada(settings: Any) -> User:
    settings.JOST_LOGIN = True
    return User.objects.create_user("ada", password="counts by hand")


def token(client: Client, *, password: str = "counts by hand") -> Any:
    return client.post("/api/token/", {"username": "ada", "password": password})


def test_token_opens_the_api_and_a_wrong_password_gets_none(client: Client, ada: User) -> None:
    assert client.get(HOME).status_code == 401

    given = token(client).json()["token"]

    assert client.get(HOME, headers={"Authorization": f"Token {given}"}).status_code == 200
    assert token(client, password="guess").status_code == 400


def test_guessing_passwords_is_slowed_down(client: Client, ada: User) -> None:
    answers = [token(client, password=f"guess {number}").status_code for number in range(12)]

    assert answers == [400] * 10 + [429] * 2
    assert int(token(client)["Retry-After"]) <= 60


def test_strangers_are_counted_in_memory_and_told_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates.StrangerRate, "THROTTLE_RATES", {"anon": "2/min"})

    answers = [client.get(HOME) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2]["Retry-After"]) <= 60


def ordered(query: str) -> list[str]:
    """Order Django's own permissions, of which there are many."""
    view = APIView()
    view.order_fields = ("codename", "name")  # type: ignore[attr-defined]
    request = Request(APIRequestFactory().get(f"/?{query}"))
    names = Order().filter_queryset(request, Permission.objects.order_by("id"), view)
    return [permission.codename for permission in names]


def test_list_is_ordered_by_what_is_asked_for() -> None:
    unordered = list(Permission.objects.order_by("id").values_list("codename", flat=True))

    assert ordered("") == unordered
    assert ordered("order_by=codename") == sorted(unordered)
    assert ordered("order_dir=desc") == sorted(unordered, reverse=True)


@pytest.mark.parametrize(
    ("query", "told"),
    [("order_by=password", "codename, name"), ("order_dir=down", "asc and desc")],
)
def test_order_that_is_none_is_refused_with_what_there_is(query: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ordered(query)
