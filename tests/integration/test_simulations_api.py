"""REST: start, list, read, cancel, and a schema that says so."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

import holdfast
from jost.simulations import tasks
from jost.simulations.engine import MAX_SEED, Rules
from jost.simulations.models import Simulation

pytestmark = pytest.mark.django_db

HOME = "/api/simulations/"


@pytest.fixture(autouse=True)
def inline() -> Iterator[None]:
    """Run every job in the call that sends it."""
    conf = tasks.run_chunk.app.conf
    conf.task_always_eager = True
    yield
    conf.task_always_eager = False


def start(client: Client, body: Any) -> Any:
    return client.post(HOME, body, content_type="application/json")


def test_simulation_is_started_and_read(client: Client) -> None:
    started = start(client, {"rounds": 3_000, "seed": 11, "rules": {"decks": 2}})

    assert started.status_code == 201
    read = client.get(started["Location"]).json()
    assert read["state"] == "succeeded"
    assert read["rules"] == Rules(decks=2).to_dict()
    assert (read["rounds"], read["seed"]) == (3_000, 11)
    assert read["progress"]["rounds_done"] == 3_000
    assert read["progress"]["ev_95"][0] < read["progress"]["ev"] < read["progress"]["ev_95"][1]


def test_seed_is_told_exactly_even_when_it_is_large(client: Client) -> None:
    assert start(client, {"rounds": 1_000, "seed": MAX_SEED}).json()["seed"] == MAX_SEED


def test_seed_that_was_left_out_is_named_in_the_answer(client: Client) -> None:
    assert start(client, {"rounds": 1_000}).json()["seed"] >= 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "rounds"),
        ({"rounds": 10}, "rounds"),
        ({"rounds": 10**12}, "rounds"),
        ({"rounds": "many"}, "rounds"),
        ({"rounds": 1_000, "seed": -1}, "seed"),
        ({"rounds": 1_000, "seed": MAX_SEED + 1}, "seed"),
        ({"rounds": 1_000, "decks": 6}, "decks"),
        ({"rounds": 1_000, "rules": {"decks": 9}}, "decks"),
        ({"rounds": 1_000, "rules": {"penetration": 75}}, "penetration"),
        ({"rounds": 1_000, "rules": {"penetration": "NaN"}}, "penetration"),
        ({"rounds": 1_000, "rules": {"rounds_per_shoe": 99}}, "rounds_per_shoe"),
        ({"rounds": 1_000, "rules": {"deck": 6}}, "deck"),
        ({"rounds": 1_000, "rules": 6}, "rules"),
        ([1], "non_field_errors"),
    ],
)
def test_wrong_request_names_the_field_and_starts_nothing(
    client: Client, body: Any, field: str
) -> None:
    answer = start(client, body)

    assert answer.status_code == 400
    assert field in answer.content.decode()
    assert not Simulation.objects.exists()


def test_form_of_another_site_cannot_start_one(client: Client) -> None:
    assert client.post(HOME, {"rounds": "1000"}).status_code == 415


def test_list_has_pages_and_the_newest_first(client: Client) -> None:
    for rounds in (1_000, 2_000, 3_000):
        start(client, {"rounds": rounds})

    answer = client.get(f"{HOME}?limit=2").json()

    assert answer["count"] == 3
    assert [entry["rounds"] for entry in answer["results"]] == [3_000, 2_000]


def test_cancel_ends_it_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdfast, "cancel", lambda *_args, **_options: [])
    simulation = Simulation.objects.create(
        rules=Rules().to_dict(), rounds=2_000, seed=1, chunk_size=1_000, engine_version=1
    )

    first = client.post(f"{HOME}{simulation.pk}/cancel/")
    second = client.post(f"{HOME}{simulation.pk}/cancel/")

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert second.status_code == 409
    assert "had ended already" in second.json()["detail"]


def test_unknown_simulation_is_not_found(client: Client) -> None:
    assert client.get(f"{HOME}{uuid4()}/").status_code == 404


def test_schema_is_valid_and_names_what_can_be_done() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)

    validate_schema(schema)
    assert set(schema["paths"][HOME]) == {"get", "post"}
    assert set(schema["paths"][f"{HOME}{{id}}/cancel/"]) == {"post"}
    assert "rounds_done" in schema["components"]["schemas"]["Progress"]["properties"]
