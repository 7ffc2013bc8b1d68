"""JOST's API is asked all that its schema allows and much that it does not; each answer must be as described."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import schemathesis
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as how
from hypothesis import strategies as st
from rest_framework.authtoken.models import Token
from rest_framework.throttling import SimpleRateThrottle
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks
from werkzeug.test import Client

from holdfast.testing import HoldfastJobs
from jost.leads.models import Lead
from jost.orders.models import Product
from tests.belongings import begun, belongings, schema, shared

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("pretending"),
]

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
# Who asks is said by us: what is made up for these would be refused, and hide the rest.
OURS = {"authorization", "x-csrftoken", "cookie"}
# A second each.
COSTLY = ("/api/simulations/exact/", "/api/simulations/{id}/exact/")
HUGE = "9" * 400
WORDS = ["\0", "", " ", "-1", "1e999", "NaN", HUGE, "٣", "null", "a" * 5_000, "'; --"]
# Bytes that are no text, half a character, and what an address might be taken apart by.
RAW = ["%00", "%ff", "%ED%A0%80", "%2e%2e", "%"]
VALUES: list[Any] = [
    *("\0", "", " ", "٣", "a" * 5_000, "1e400", "2026-02-30", "9999-12-31", "0001-01-01"),
    *(None, True, -1, 0, 0.5, 1e308, -(2**63) - 1, 2**64, int(HUGE), [], [None], {}, {"a": 1}),
]
BODIES = [
    *(b"", b"{", b"[]", b"null", b'"text"', b"1", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000),
    *(
        b'{"a": 1, "a": 2}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\ud800"}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
    ),
    b'{"a": ' + b"9" * 5_000 + b"}",
]
KINDS = [
    "text/plain",
    "application/xml",
    "application/json; charset=base64",
    "a",
    "",
    "multipart/form-data",
]


@dataclass
class Api:
    """The API with things in it, as staff asks it; what an example changes is taken back."""

    document: dict[str, Any]
    things: list[dict[str, Any]]
    token: str
    answers: dict[str, Counter[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.described = schemathesis.openapi.from_dict(self.document)
        self.described.app = WSGIHandler()
        self._client = Client(self.described.app)

    def operations(self) -> Iterator[Any]:
        for found in self.described.get_all_operations():
            assert isinstance(found, Ok), found
            yield found.ok()

    def numbers(self, operation: Any) -> list[dict[str, str]]:
        """What stands for the parameter of the path: each thing that there is, if it has one."""
        parameter = next((each.name for each in operation.path_parameters), None)
        if parameter is None:
            return []
        kind = operation.path[: operation.path.index("}") + 2]
        found = [{parameter: str(some[kind])} for some in self.things if kind in some]
        assert found, f"{kind}: make one in tests/belongings.py"
        return found

    def ask(self, case: Case) -> None:
        for name in [name for name in case.headers or {} if name.lower() in OURS]:
            del case.headers[name]
        case.cookies.clear()
        with transaction.atomic():
            answer = case.call(headers=self.signed_in)
            transaction.set_rollback(True)
        self.answers.setdefault(case.operation.label, Counter())[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    def send(self, operation: Any, *, path: str | None = None, **request: Any) -> int:
        """Send what no schema would have."""
        numbers = self.numbers(operation)
        path = path or operation.path.format(**(numbers[0] if numbers else {}))
        with transaction.atomic():
            answer = self._client.open(
                path, method=operation.method, headers=self.signed_in, **request
            )
            transaction.set_rollback(True)
        case = operation.Case(path_parameters=numbers[0] if numbers else {})
        case.validate_response(answer, checks=CHECKS)
        return answer.status_code

    @property
    def signed_in(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}


@pytest.fixture
def api(
    holdfast_jobs: HoldfastJobs, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Api]:
    endless = dict.fromkeys(configured.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"])
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", endless)
    settings.JOST_LOGIN = True
    settings.MEDIA_ROOT = tmp_path
    staff = User.objects.create_user("chris", password="counts by hand", is_staff=True)
    finished = belongings(staff, jobs=holdfast_jobs) | shared()
    api = Api(
        schema(),
        things=[finished, begun(staff, key="second")],
        token=Token.objects.create(user=staff).key,
    )
    # A request would close the connection, and with it the transaction that the things are in.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield api
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("examples", [4, pytest.param(100, marks=pytest.mark.soak)])
def test_every_operation_answers_as_described_whatever_it_is_asked(
    api: Api, subtests: pytest.Subtests, examples: int
) -> None:
    dice = Random(1)
    for operation in api.operations():
        with subtests.test(operation.label):
            costly = operation.path in COSTLY
            ask_made_up(api, operation, examples=max(1, examples // 10) if costly else examples)
            ask_at_the_edges(
                api, operation, most=examples // 4 if costly else examples * 4, dice=dice
            )
    # What nobody is let into proves nothing.
    assert all(counts.keys() - {401, 403} for counts in api.answers.values())
    succeeded = [
        label for label, counts in api.answers.items() if counts.keys() & {200, 201, 202, 204}
    ]
    assert len(succeeded) > len(api.answers) * 2 / 3


def ask_made_up(api: Api, operation: Any, *, examples: int) -> None:
    """Ask what is right and what is wrong, of things that there are and of others."""
    places = [api.numbers(operation), []] if operation.path_parameters else [[]]
    for mode in MODES:
        for numbers in places:
            wrong = mode is GenerationMode.NEGATIVE
            if wrong and not (list(operation.body) or list(operation.query)):
                continue  # nothing of it can be wrong but the path
            fixed = {"path_parameters": numbers[0]} if numbers else {}
            cases = operation.as_strategy(generation_mode=mode, **fixed)

            @how(
                max_examples=examples,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases, number=st.sampled_from(numbers or [{}]))
            def ask(case: Case, number: dict[str, str]) -> None:
                if number:
                    case.path_parameters = dict(number)
                api.ask(case)

            ask()


def ask_at_the_edges(api: Api, operation: Any, *, most: int, dice: Random) -> None:
    """Ask what lies just inside and outside of each bound of the schema."""
    config = api.described.config.generation_for(operation=operation)
    cases = api.described.iter_coverage_cases(
        operation, generation_modes=list(MODES), generation_config=config
    )
    # There are a thousand of some, and to make them costs more than to ask.
    first = list(islice(cases, most * 20))
    for case in dice.sample(first, min(most, len(first))):
        if case.method.upper() == operation.method.upper():
            api.ask(case)


def test_no_address_and_no_query_is_a_servers_error(api: Api) -> None:
    for operation in api.operations():
        for word in [*WORDS, *RAW, ".."] if operation.path_parameters else []:
            api.send(operation, path=re.sub(r"\{\w+\}", word, operation.path))
        for parameter in operation.query:
            for word in WORDS:
                api.send(operation, query_string={parameter.name: word})
            for word in RAW:
                api.send(operation, query_string=f"{parameter.name}={word}")


def test_no_body_is_a_servers_error(api: Api) -> None:
    for operation in api.operations():
        if not list(operation.body) or operation.path in COSTLY:
            continue
        for body in BODIES:
            status = api.send(operation, data=body, content_type="application/json")
            assert status in {400, 415} or not body, (operation.label, body[:20])
        for kind in KINDS:
            assert api.send(operation, data=b"{}", content_type=kind) in {400, 415}, operation.label
        for name in properties(operation, api.document):
            for value in VALUES:
                api.send(operation, json={name: value})


def test_each_example_of_a_body_is_taken(api: Api) -> None:
    Lead.objects.update_or_create(pk=1, defaults={"phone": "+4930111111"})
    for number in (1, 2):
        defaults = {"name": f"Tea {number}", "price": 4, "stock": 100}
        Product.objects.update_or_create(pk=number, defaults=defaults)
    found = list(examples(api))
    assert len(found) >= 13
    for operation, value in found:
        assert api.send(operation, json=value) in {200, 201, 202}, (operation.label, value)


def examples(api: Api) -> Iterator[tuple[Any, Any]]:
    """Each operation with the bodies that the schema has as examples of it."""
    for operation in api.operations():
        described = api.document["paths"][operation.path][operation.method]
        content = described.get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            yield operation, example["value"]


def properties(operation: Any, document: dict[str, Any]) -> list[str]:
    """What the body of an operation may hold, as JSON."""
    content = document["paths"][operation.path][operation.method]["requestBody"]["content"]
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    schemas = document["components"]["schemas"]
    return list(schemas[reference.rpartition("/")[2]]["properties"]) if reference else []
