"""The OpenAPI schema of JOST: all of it there, valid, and said of every operation how it answers and refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from jost.api.refusals import RESPONSES
from tests.belongings import operations, schema

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return schema()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def looked_up(described: dict[str, Any], reference: str) -> Any:
    place: Any = described
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


def test_schema_is_made_without_a_warning_and_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, format="openapi-json")

    out, errors = capsys.readouterr()
    assert '"openapi": "3.1.0"' in out
    assert "Warning" not in errors


def test_schema_has_every_view_of_the_api(described: dict[str, Any]) -> None:
    def views(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            place = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from views(pattern, place)
            elif _is_api(pattern):
                yield place

    found = {_plain(place) for place in views(get_resolver())}
    assert found == {_plain(path) for path in described["paths"]}
    assert "lead/lead_event_create/" in found


def _is_api(pattern: URLPattern) -> bool:
    kind: Any = getattr(pattern.callback, "cls", getattr(pattern.callback, "view_class", None))
    return isinstance(kind, type) and issubclass(kind, APIView)


def _plain(place: str) -> str:
    """A path without what its parameters are called."""
    return (
        re.sub(r"\(\?P<.+?\)|<.+?>|\{.+?\}", "*", place)
        .translate(str.maketrans("", "", "^$\\Z"))
        .strip("/")
        + "/"
    )


def test_schema_has_everything_that_it_refers_to(described: dict[str, Any]) -> None:
    found = set(references(described))

    assert len(found) > 50
    for reference in found:
        assert looked_up(described, reference), reference


def test_every_operation_says_what_it_does_whose_it_is_and_how_it_refuses(
    described: dict[str, Any],
) -> None:
    tags = {tag["name"] for tag in described["tags"]}
    for method, path in operations(described):
        operation = described["paths"][path][method]
        place = (method, path)
        assert operation["summary"], place
        assert operation["description"], place
        assert len(operation["tags"]) == 1, place
        assert set(operation["tags"]) <= tags, place
        needed = {"401", "406", "429"} | ({"403"} if method != "get" else set())
        needed |= {"404"} if "{" in path else set()
        needed |= {"400", "415"} if "requestBody" in operation else set()
        assert needed < set(operation["responses"]), place
        if method == "get":
            assert "403" not in operation["responses"], place
        for status, answer in operation["responses"].items():
            told = looked_up(described, answer["$ref"]) if "$ref" in answer else answer
            assert "content" in told or status == "204", (status, *place)


def test_operations_and_enumerations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [
        described["paths"][path][method]["operationId"] for method, path in operations(described)
    ]

    assert len(set(names)) == len(names)
    # One that is made up changes with the next model that has such a field: say it in ENUM_NAME_OVERRIDES.
    assert [name for name in described["components"]["schemas"] if name.endswith("Enum")] == []


def test_schema_says_how_to_sign_in_and_that_a_session_needs_its_csrf_token(
    described: dict[str, Any],
) -> None:
    schemes = described["components"]["securitySchemes"]
    assert set(schemes) == {"token", "session", "csrfToken", "basicAuth"}
    assert schemes["csrfToken"]["name"] == "X-CSRFToken"
    for method, path in operations(described):
        security = described["paths"][path][method]["security"]
        session: dict[str, Any] = (
            {"session": []} if method == "get" else {"session": [], "csrfToken": []}
        )
        assert session in security, (method, path)
        assert {"token": []} in security, (method, path)


def test_lists_say_of_their_links_that_they_may_be_null(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    listed = [each for name, each in schemas.items() if name.startswith("Paginated")]

    assert listed
    for each in listed:
        for name in ("next", "previous"):
            assert each["properties"][name]["type"] == ["string", "null"]


def test_refusals_are_described_once(described: dict[str, Any]) -> None:
    assert set(described["components"]["responses"]) == {name for name, _ in RESPONSES.values()}
    retry = described["components"]["responses"]["TooOften"]["headers"]["Retry-After"]
    assert retry["schema"]["type"] == "integer"


def test_pages_about_the_api_are_there_in_debug_only(client: Client, settings: Any) -> None:
    tools = ["/api/schema/", "/api/docs/", "/api/redoc/"]
    assert [client.get(tool).status_code for tool in tools] == [404] * 3

    settings.ROOT_URLCONF = "tests.debug_urls"

    assert [client.get(tool).status_code for tool in tools] == [200] * 3


@pytest.mark.parametrize("path", ["/api/nothing/", "/lead/nothing/", "/api/simulations/none/"])
def test_address_without_anything_is_told_in_json(client: Client, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    assert b"<html" in client.get("/nothing/").content
