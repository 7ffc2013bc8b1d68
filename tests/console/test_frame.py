"""What holds for every page and action of the console: who is let in, what goes along, how it is described."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.http import Http404, HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path

from holdfast.console import openapi, pages
from holdfast.console import urls as _registered  # noqa: F401  # the console's own pages
from holdfast.console.access import ADMINISTER, NONE, OPERATE, VIEW, role
from holdfast.console.encode import as_json
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.console.schemas import of_type
from holdfast.exceptions import ConfigurationError

ROOT = "/holdfast/"


class ThingQuery(forms.Form):
    most = forms.IntegerField(required=False, min_value=1)


class ThingForm(forms.Form):
    name = forms.CharField(max_length=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingPage:
    """One thing."""

    name: str
    at: datetime | None
    most: int | None
    parts: list[str]


def things() -> None:
    """Register a page and an action of the tests' own."""

    @page(
        "things/<str:name>/",
        name="thing",
        title="Thing",
        template="holdfast/problem.html",
        query=ThingQuery,
    )
    def thing(_request: HttpRequest, query: Mapping[str, Any], name: str) -> ThingPage:
        if name == "gone":
            raise Http404("no thing has this name")
        return ThingPage(
            name=name, at=datetime(2026, 1, 2, tzinfo=UTC), most=query["most"], parts=["<b>"]
        )

    @action("things/<str:old>/rename/", name="thing-rename", label="Rename", form=ThingForm)
    def rename(request: HttpRequest, asked: Mapping[str, Any], old: str) -> Done:
        if asked["name"] == old:
            raise Refused("it is called so already: choose another name")
        return Done(
            f"{old} is {asked['name']} now, says {actor(request)}", data={"name": asked["name"]}
        )


@pytest.fixture(scope="module")
def urls() -> Iterator[type]:
    """Addresses with a page of the tests' own beside the console's."""
    kept_pages, kept_actions = dict(pages.PAGES), dict(pages.ACTIONS)
    things()

    class Urls:
        urlpatterns = [path("holdfast/", include((pages.patterns(), "holdfast")))]

    yield Urls
    for name in pages.PAGES.keys() - kept_pages.keys():
        del pages.PAGES[name]
    for name in pages.ACTIONS.keys() - kept_actions.keys():
        del pages.ACTIONS[name]


@pytest.fixture(autouse=True)
def _urls(urls: type) -> Iterator[None]:
    with override_settings(ROOT_URLCONF=urls):
        yield


def test_nobody_is_let_in(nobody: Client) -> None:
    answer = nobody.get(f"{ROOT}things/a/")
    assert answer.status_code in {302, 403}
    assert b"thing" not in answer.content
    data = nobody.get(f"{ROOT}api/things/a/")
    assert data.status_code == 401
    assert "holdfast.view_console" in data.json()["error"]["message"]
    assert nobody.post(f"{ROOT}api/things/a/rename/", {"name": "b"}).status_code == 401


def test_who_may_look_may_not_do(viewer: Client) -> None:
    assert viewer.get(f"{ROOT}api/things/a/").json()["name"] == "a"
    for address in (f"{ROOT}things/a/rename/", f"{ROOT}api/things/a/rename/"):
        refused = viewer.post(address, {"name": "b"})
        assert refused.status_code == 403
        assert b"holdfast.operate_console" in refused.content
    assert viewer.get(f"{ROOT}things/a/rename/").status_code == 403


def test_page_is_json_of_its_dataclass(viewer: Client) -> None:
    answer = viewer.get(f"{ROOT}api/things/a/?most=3")
    assert answer.json() == {
        "name": "a",
        "at": "2026-01-02T00:00:00+00:00",
        "most": 3,
        "parts": ["<b>"],
    }
    wrong = viewer.get(f"{ROOT}api/things/a/?most=0")
    assert wrong.status_code == 400
    assert wrong.json()["error"]["fields"].keys() == {"most"}
    gone = viewer.get(f"{ROOT}api/things/gone/")
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "no thing has this name")
    assert viewer.get(f"{ROOT}things/gone/").status_code == 404
    assert viewer.post(f"{ROOT}api/things/a/").status_code == 405


def test_action_is_done_told_once_and_refused_with_its_reason(operator: Client) -> None:
    answer = operator.post(
        f"{ROOT}things/a/rename/",
        {"name": "b"},
        headers={"Referer": f"http://testserver{ROOT}things/a/"},
    )
    assert (answer.status_code, answer["Location"]) == (303, f"{ROOT}things/a/")
    told = "a is b now, says operate@test"
    assert told in operator.get(f"{ROOT}things/a/").content.decode()
    assert told not in operator.get(f"{ROOT}things/a/").content.decode()
    assert operator.post(f"{ROOT}api/things/a/rename/", {"name": "b"}).json() == {
        "message": told,
        "name": "b",
    }
    refused = operator.post(
        f"{ROOT}api/things/a/rename/", {"name": "a"}, content_type="application/json"
    )
    assert refused.status_code == 409
    assert "choose another name" in refused.json()["error"]["message"]


def test_form_is_shown_and_shown_again_with_what_is_wrong(operator: Client) -> None:
    assert 'name="name"' in operator.get(f"{ROOT}things/a/rename/").content.decode()
    again = operator.post(f"{ROOT}things/a/rename/", {"name": "much too long"})
    assert again.status_code == 422
    assert "at most 8" in again.content.decode()
    assert 'value="much too long"' in again.content.decode()
    data = operator.post(f"{ROOT}api/things/a/rename/", "{", content_type="application/json")
    assert data.status_code == 400
    assert "no JSON" in data.json()["error"]["message"]


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/holdfast/", "/admin/", ""]
)
def test_nobody_is_sent_elsewhere_after_an_action(operator: Client, back: str) -> None:
    answer = operator.post(f"{ROOT}things/a/rename/", {"name": "b", "next": back})
    assert answer["Location"] == ROOT


def test_post_without_token_is_refused(console: str) -> None:
    careful = Client(enforce_csrf_checks=True, headers={"X-Test-Role": "administer"})
    assert careful.post(f"{ROOT}things/a/rename/", {"name": "b"}).status_code == 403
    assert careful.post(f"{ROOT}api/things/a/rename/", {"name": "b"}).status_code == 403
    careful.get(f"{ROOT}things/a/rename/")
    token = careful.cookies["csrftoken"].value
    assert (
        careful.post(
            f"{ROOT}api/things/a/rename/", {"name": "b"}, headers={"X-CSRFToken": token}
        ).status_code
        == 200
    )


def test_read_only_console_shows_and_does_nothing(administrator: Client) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert administrator.get(f"{ROOT}api/things/a/").status_code == 200
        refused = administrator.post(f"{ROOT}api/things/a/rename/", {"name": "b"})
        assert refused.status_code == 403
        assert "console_read_only" in refused.json()["error"]["message"]


def test_page_loads_nothing_of_others_and_is_framed_by_nobody(viewer: Client) -> None:
    answer = viewer.get(f"{ROOT}things/a/")
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["Cache-Control"] == "no-store"
    with override_settings(STATIC_URL="https://static.example/s/"):
        policy = viewer.get(f"{ROOT}things/a/")["Content-Security-Policy"]
    assert "script-src 'self' https://static.example;" in policy


def test_users_have_the_role_of_their_permissions(db: None) -> None:
    user = User.objects.create_user("ada")

    def asked() -> HttpRequest:
        request = RequestFactory().get(ROOT)
        request.user = User.objects.get(pk=user.pk)  # permissions are cached
        return request

    with override_settings(HOLDFAST={}):
        assert role(asked()) is NONE
        for codename, expected in (
            ("view_console", VIEW),
            ("operate_console", OPERATE),
            ("administer_console", ADMINISTER),
        ):
            user.user_permissions.set([Permission.objects.get(codename=codename)])
            assert role(asked()) is expected
        assert actor(asked()) == "ada"
        User.objects.update(is_active=False)
        assert role(asked()) is NONE
        User.objects.update(is_active=True, is_superuser=True)
        user.user_permissions.clear()
        assert role(asked()) is ADMINISTER
        anonymous = asked()
        anonymous.user = AnonymousUser()
        assert role(anonymous) is NONE


def test_function_of_the_project_that_says_something_else_is_named(viewer: Client) -> None:
    request = RequestFactory().get(ROOT, headers={"X-Test-Role": "queen"})
    with pytest.raises(ConfigurationError, match=r"of_header.*'queen'.*'administer'"):
        role(request)


def test_description_is_complete_and_says_what_is_needed() -> None:
    found = openapi.document(ROOT)
    paths = found["paths"]
    assert paths["/things/{name}/"]["get"]["x-needs"] == "holdfast.view_console"
    assert {each["name"] for each in paths["/things/{name}/"]["get"]["parameters"]} == {
        "name",
        "most",
    }
    body = paths["/things/{old}/rename/"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert body["required"] == ["name"]
    thing = found["components"]["schemas"]["ThingPage"]
    assert thing["properties"]["at"] == {
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]
    }
    assert thing["description"] == "One thing."
    json.dumps(found)


def test_classes_of_one_name_are_described_each() -> None:
    @dataclass
    class Twin:
        one: int

    first = Twin

    @dataclass
    class Twin:  # type: ignore[no-redef]
        two: str

    found: dict[str, Any] = {}
    assert of_type(first, found) != of_type(Twin, found)
    assert [list(each["properties"]) for each in found.values()] == [["one"], ["two"]]


def test_json_has_only_what_json_has() -> None:
    assert as_json({"a": timedelta(seconds=90), 1: float("nan"), "r": VIEW, "s": {2}}) == {
        "a": 90.0,
        "1": None,
        "r": 1,
        "s": [2],
    }
