"""What all REST resources of JOST share: tokens, rates, order; seen at the simulations and on a list made here."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.test import Client
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from jost.api import rates
from jost.api.listing import Order
from jost.api.moments import MomentField
from tests.belongings import operations, schema

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


def scopes() -> dict[str, list[tuple[str, str]]]:
    """The operations of each scope, as the schema has them."""
    described, found = schema(), defaultdict[str, list[tuple[str, str]]](list)
    for method, path in operations(described):
        said = described["paths"][path][method]["description"]
        if scope := re.search(r"its rate is `(\w+)`", said):
            found[scope[1]].append((method, path))
    return dict(found)


def once_a_minute(monkeypatch: pytest.MonkeyPatch, *limited: str) -> None:
    """Let what has one of these scopes be asked for once a minute, everything else without end."""
    endless = dict.fromkeys(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"])
    changed = endless | dict.fromkeys(limited, "1/min")
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", changed)


def test_each_scope_of_rates_is_kept_and_tells_when_to_come_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scopes()
    assert set(found) | {"anon", "user"} == set(settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"])
    once_a_minute(monkeypatch, *found)

    for scope, limited in found.items():
        for method, path in limited:
            caches[rates.CACHE].clear()
            place = re.sub(r"\{\w+\}", str(uuid4()), path)
            body = {"no such field": 1} if method == "post" else None
            ask = partial(getattr(client, method), place, body, content_type="application/json")
            assert ask().status_code in {400, 404, 415}, (scope, path)
            again = ask()
            assert again.status_code == 429, (scope, path)
            assert 0 < int(again["Retry-After"]) <= 60, (scope, path)


def test_what_costs_has_a_scope_and_one_scope_leaves_the_others_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = {path for places in scopes().values() for _, path in places}
    assert limited >= {
        HOME,
        f"{HOME}studies/compare/",
        f"{HOME}studies/sweep/",
        f"{HOME}exact/",
        f"{HOME}{{id}}/exact/",
        "/api/reports/now/",
        "/api/imports/",
        "/api/orders/",
    }
    once_a_minute(monkeypatch, "simulations", "checkout")

    def ask(path: str) -> int:
        return client.post(path, {"no such field": 1}, content_type="application/json").status_code

    assert [ask(HOME), ask(HOME), ask("/api/orders/")] == [400, 429, 400]
    assert client.get(HOME).status_code == 200


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("2026-01-31T12:00:00Z", 200),
        ("2026-01-31T12:00:00+15:00", 200),
        ("0342-01-15T05:59:39+20:07", 200),
        ("0001-01-01T00:00:00+01:00", 400),
        ("9999-12-31T23:59:59-01:00", 400),
        ("2026-02-30T12:00:00Z", 400),
    ],
)
def test_moment_of_any_zone_is_taken_unless_the_calendar_ends(
    client: Client, moment: str, status: int
) -> None:
    assert client.get("/lead/leads/", {"created_at_before": moment}).status_code == status
    if status == 200:
        # What PostgreSQL is asked: it knows no zone that is further away.
        assert str(MomentField().to_python(moment)).endswith("+00:00")
