"""The description of the JSON API is valid, and what pages answer is as described."""

from __future__ import annotations

import pytest
from django.test import Client
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from holdfast.console import urls as _registered  # noqa: F401  # the console's pages
from holdfast.console.openapi import document
from holdfast.console.pages import ACTIONS, PAGES
from holdfast.ledger import transitions
from tests.rows import hire, new_job

ROOT = "/holdfast/"
PLAIN = sorted(page.name for page in PAGES.values() if "<" not in page.route)


def test_description_is_openapi_and_has_every_page_and_action() -> None:
    found = document(ROOT)
    validate_schema(found)
    names = {each["operationId"] for path in found["paths"].values() for each in path.values()}
    assert names == PAGES.keys() | ACTIONS.keys()


@pytest.mark.parametrize("name", PLAIN)
def test_page_answers_as_described(administrator: Client, name: str) -> None:
    hire()
    transitions.record([new_job() for _ in range(2)])
    found = document(ROOT)
    route = PAGES[name].route
    answer = administrator.get(f"{ROOT}api/{route}")
    described = found["paths"][f"/{route}"]["get"]["responses"][str(answer.status_code)]
    schema = described["content"]["application/json"]["schema"]
    whole = {**schema, "components": found["components"]}
    Draft202012Validator(whole).validate(answer.json())
