"""REST: setups side by side with the interval of their difference, and sweeps of one key."""

from __future__ import annotations

from math import hypot
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations.engine.tally import Z_95
from jost.simulations.models import Simulation, Study
from tests.simulated import CHART, ROUNDS, SEED

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

STUDIES = "/api/simulations/studies/"
RULES: dict[str, Any] = {"strategy": CHART}
RUNS: dict[str, Any] = {"rounds": ROUNDS, "seed": SEED}
COMPARED = RUNS | {"setups": [RULES | {"decks": decks} for decks in (6, 8, 2)]}
SWEPT = RUNS | {"rules": RULES, "key": "dealing.penetration", "values": [0.5, 0.75, 0.9]}


def post(client: Client, address: str, body: Any = None) -> Any:
    return client.post(address, {} if body is None else body, content_type="application/json")


def test_setups_are_compared_with_the_first(client: Client, holdfast_jobs: HoldfastJobs) -> None:
    begun = post(client, f"{STUDIES}compare/", COMPARED | {"names": ["A", "B", "C"]})
    assert begun.status_code == 201
    assert begun.json()["differences"] == []

    holdfast_jobs.drain()

    study = client.get(begun["Location"]).json()
    first, *others = study["simulations"]
    assert [entry["name"] for entry in study["simulations"]] == ["A", "B", "C"]
    assert [entry["rules"]["decks"] for entry in study["simulations"]] == [6, 8, 2]
    assert len(study["differences"]) == len(others)
    for other, apart in zip(others, study["differences"], strict=True):
        assert (apart["simulation"], apart["against"]) == (other["id"], first["id"])
        assert apart["ev"] == other["estimate"]["ev"] - first["estimate"]["ev"]
        reach = Z_95 * hypot(
            first["estimate"]["ev_standard_error"], other["estimate"]["ev_standard_error"]
        )
        assert apart["ev_95"] == pytest.approx([apart["ev"] - reach, apart["ev"] + reach])


def test_one_key_is_swept(client: Client, holdfast_jobs: HoldfastJobs) -> None:
    begun = post(client, f"{STUDIES}sweep/", SWEPT | {"name": "how deep"}).json()
    holdfast_jobs.drain()

    study = client.get(begun["url"]).json()
    dealing = [entry["rules"]["dealing"]["penetration"] for entry in study["simulations"]]
    assert (study["kind"], study["key"], study["name"]) == (
        "sweep",
        "dealing.penetration",
        "how deep",
    )
    assert dealing == study["values"] == [0.5, 0.75, 0.9]
    assert {entry["rounds_done"] for entry in study["simulations"]} == {ROUNDS}


def test_sweep_may_leave_a_key_empty(client: Client) -> None:
    body = SWEPT | {"key": "counting", "values": [None, "hi-lo", "ko"]}

    study = post(client, f"{STUDIES}sweep/", body).json()

    counting = [entry["rules"]["counting"] for entry in study["simulations"]]
    assert [each and each["system"] for each in counting] == [None, "hi-lo", "ko"]


def test_simulations_of_a_study_are_found_by_it(client: Client) -> None:
    study = post(client, f"{STUDIES}compare/", COMPARED).json()
    post(client, "/api/simulations/", RUNS | {"rules": RULES})

    found = client.get(f"/api/simulations/?study={study['id']}").json()

    assert found["count"] == 3
    assert {entry["study"] for entry in found["results"]} == {study["id"]}


def test_studies_are_listed_newest_first(client: Client) -> None:
    post(client, f"{STUDIES}compare/", COMPARED)
    post(client, f"{STUDIES}sweep/", SWEPT)

    listed = client.get(STUDIES).json()

    assert [entry["kind"] for entry in listed["results"]] == ["sweep", "compare"]


@pytest.mark.parametrize(
    ("place", "body", "path", "repair"),
    [
        ("compare", COMPARED | {"setups": [RULES]}, "setups", "2"),
        ("compare", COMPARED | {"setups": [RULES] * 51}, "setups", "50"),
        ("compare", COMPARED | {"setups": [RULES, {"decks": 9}]}, "setups.1.decks", "0 to 8"),
        ("compare", COMPARED | {"names": ["A"]}, "names", "leave names out"),
        ("compare", COMPARED | {"rules": RULES}, "rules", "there is rounds"),
        ("compare", RUNS, "setups", "required"),
        ("sweep", SWEPT | {"values": [0.5]}, "values", "2"),
        ("sweep", SWEPT | {"values": [0.5, 5]}, "values", "0.95"),
        ("sweep", SWEPT | {"key": "penetration"}, "key", "dealing"),
        ("sweep", SWEPT | {"key": "deck"}, "key", "decks"),
        ("sweep", SWEPT | {"key": "dealing.deep.er"}, "key", "dealing.deep.er"),
        ("sweep", SWEPT | {"rounds": 5}, "rounds", "1000"),
        ("sweep", SWEPT | {"rules": {"decks": 9}}, "rules.decks", "0 to 8"),
    ],
)
def test_wrong_study_names_the_key_and_the_repair_and_begins_nothing(
    client: Client, place: str, body: dict[str, Any], path: str, repair: str
) -> None:
    answer = post(client, f"{STUDIES}{place}/", body)

    assert answer.status_code == 400
    assert list(answer.json()) == [path]
    assert repair in answer.json()[path][0]
    assert not Study.objects.exists()
    assert not Simulation.objects.exists()


def test_study_is_cancelled_once(client: Client) -> None:
    study = post(client, f"{STUDIES}compare/", COMPARED).json()

    first = post(client, f"{study['url']}cancel/")
    second = post(client, f"{study['url']}cancel/")

    assert first.status_code == 200
    assert {entry["state"] for entry in first.json()["simulations"]} == {"cancelled"}
    assert second.status_code == 409
    assert "nothing to cancel" in second.json()["detail"]


def test_unknown_study_is_not_found(client: Client) -> None:
    assert client.get(f"{STUDIES}{uuid4()}/").status_code == 404
