"""REST: start, list, read, move, extend, ask about other bets, export; and a schema that says so."""

from __future__ import annotations

import csv
import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from jsonschema import Draft202012Validator

from holdfast.testing import HoldfastJobs
from jost.simulations.engine import MAX_SEED
from jost.simulations.models import Simulation
from jost.simulations.schemas import schema_of
from tests.simulated import CHART, ROUNDS, SEED, plain_setup

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

HOME = "/api/simulations/"
# Whole, so that nothing has to be computed.
RULES: dict[str, Any] = {"strategy": CHART}
BODY: dict[str, Any] = {"rules": RULES, "rounds": ROUNDS, "seed": SEED}


def post(client: Client, address: str, body: Any = None) -> Any:
    return client.post(address, {} if body is None else body, content_type="application/json")


@pytest.fixture
def started(client: Client) -> dict[str, Any]:
    """A simulation whose jobs run only where a test drains them."""
    answer = post(client, HOME, BODY)
    assert answer.status_code == 201
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
def finished(
    client: Client, started: dict[str, Any], holdfast_jobs: HoldfastJobs
) -> dict[str, Any]:
    holdfast_jobs.drain()
    told: dict[str, Any] = client.get(started["url"]).json()
    return told


def test_simulation_is_started_and_read(client: Client, holdfast_jobs: HoldfastJobs) -> None:
    started = post(client, HOME, BODY | {"name": "mine", "target": 0.001})

    before = client.get(started["Location"]).json()
    assert (before["state"], before["name"], before["target"]) == ("queued", "mine", 0.001)
    assert (before["answer"], before["progress"]["ev"]) == (None, None)
    holdfast_jobs.drain()
    after = client.get(started["Location"]).json()
    assert after["state"] == "succeeded"
    assert after["rules"] == plain_setup().to_dict()
    assert (after["rounds"], after["seed"]) == (ROUNDS, SEED)
    assert after["progress"]["rounds_done"] == ROUNDS
    low, high = after["progress"]["ev_95"]
    assert low < after["progress"]["ev"] < high
    assert [point["rounds"] for point in after["progress"]["points"]] == [50_000, 100_000, ROUNDS]
    assert after["answer"]["ev"] == after["progress"]["ev"]
    Draft202012Validator(schema_of("simulate")).validate(after["answer"])


def test_page_of_a_simulation_is_named(client: Client, started: dict[str, Any]) -> None:
    assert started["page"] == f"/simulations/{started['id']}/"


def test_seed_is_told_exactly_even_when_it_is_large(client: Client) -> None:
    assert post(client, HOME, BODY | {"seed": MAX_SEED}).json()["seed"] == MAX_SEED


def test_seed_that_was_left_out_is_named_in_the_answer(client: Client) -> None:
    assert post(client, HOME, BODY | {"seed": None}).json()["seed"] >= 0


@pytest.mark.parametrize("rounds", ["1e6", "1_000_000", 1e6, 1_000_000])
def test_rounds_are_read_as_people_write_them(client: Client, rounds: Any) -> None:
    assert post(client, HOME, BODY | {"rounds": rounds}).json()["rounds"] == 1_000_000


def test_whole_number_of_a_program_that_knows_no_integers_is_taken(client: Client) -> None:
    rules = RULES | {"decks": 6.0, "seats": 1.0}

    answer = post(client, HOME, BODY | {"rules": rules})

    assert answer.status_code == 201, answer.content
    assert '"decks":6,' in client.get(answer.json()["url"]).content.decode().replace(" ", "")


@pytest.mark.parametrize(
    ("change", "path", "repair"),
    [
        ({"rounds": None}, "rounds", "null"),
        ({"rounds": 10}, "rounds", "1000"),
        ({"rounds": 10**12}, "rounds", "100000000000"),
        ({"rounds": "many"}, "rounds", "1e8"),
        ({"rounds": True}, "rounds", "integer"),
        ({"seed": -1}, "seed", "0"),
        ({"seed": MAX_SEED + 1}, "seed", str(MAX_SEED)),
        ({"target": 0}, "target", "1e-06"),
        ({"target": "narrow"}, "target", "number"),
        ({"target": True}, "target", "number"),
        ({"name": "a" * 201}, "name", "200"),
        ({"decks": 6}, "decks", "there is rules, rounds"),
        ({"rules": 6}, "rules", '{"decks": 6}'),
        ({"rules": None}, "rules", '{"decks": 6}'),
        ({"rules": RULES | {"decks": 9}}, "rules.decks", "0 to 8"),
        ({"rules": RULES | {"decks": "6"}}, "rules.decks", "whole number"),
        ({"rules": RULES | {"deck": 6}}, "rules.deck", "decks"),
        (
            {"rules": RULES | {"dealing": {"mode": "cut_card", "penetration": 75}}},
            "rules.dealing.penetration",
            "0.75",
        ),
        (
            {"rules": {"strategy": CHART | {"hard": {"16": ["S"] * 9 + ["X"]}}}},
            "rules.strategy.hard.16.A",
            "use one of H, S, D",
        ),
        ({"rules": RULES | {"counting": "hi-low"}}, "rules.counting.system", "hi-lo"),
        ({"rules": RULES | {"bets": {"ramp": {"9": -1}}}}, "rules.bets.ramp.9", "number"),
    ],
)
def test_wrong_request_names_the_key_and_the_repair_and_starts_nothing(
    client: Client, change: dict[str, Any], path: str, repair: str
) -> None:
    answer = post(client, HOME, BODY | change)

    assert answer.status_code == 400
    assert list(answer.json()) == [path]
    assert repair in answer.json()[path][0]
    assert not Simulation.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[1]",
        '{"rounds": NaN}',
        '{"rounds": 1000, "rounds": 2000}',
        "[" * 100_000,
        "\xff",
        '{"\\ud800": 1}',
        '{"name": "\\u0000"}',
    ],
)
def test_body_that_cannot_be_meant_starts_nothing(client: Client, body: str) -> None:
    answer = client.post(HOME, body.encode("latin-1"), content_type="application/json")

    assert answer.status_code == 400
    assert not Simulation.objects.exists()


def test_form_of_another_site_cannot_start_one(client: Client) -> None:
    assert client.post(HOME, {"rounds": "1000"}).status_code == 415


def test_whoever_is_not_signed_in_learns_nothing_where_a_login_is_asked_for(
    client: Client, started: dict[str, Any], settings: Any
) -> None:
    settings.JOST_LOGIN = True

    assert client.get(HOME).status_code == 401
    assert client.get(started["url"]).status_code == 401
    assert post(client, f"{HOME}exact/", {}).status_code == 401

    client.force_login(User.objects.create_user("analyst"))
    assert client.get(HOME).status_code == 200


def test_list_has_pages_and_the_newest_first(client: Client) -> None:
    for rounds in (1_000, 2_000, 3_000):
        post(client, HOME, BODY | {"rounds": rounds})

    answer = client.get(f"{HOME}?limit=2").json()

    assert answer["count"] == 3
    assert [entry["rounds"] for entry in answer["results"]] == [3_000, 2_000]
    assert "strategy" not in answer["results"][0]["rules"]


def test_list_costs_as_many_statements_however_long_it_is(
    client: Client, django_assert_num_queries: Any
) -> None:
    for _ in range(3):
        post(client, HOME, BODY)

    # How many there are, and one page of them.
    with django_assert_num_queries(2):
        assert client.get(HOME).json()["count"] == 3


def test_list_is_ordered_as_it_is_asked_for(client: Client) -> None:
    for rounds in (2_000, 1_000, 3_000):
        post(client, HOME, BODY | {"rounds": rounds})

    answer = client.get(f"{HOME}?order_by=rounds&order_dir=desc").json()

    assert [entry["rounds"] for entry in answer["results"]] == [3_000, 2_000, 1_000]


def test_list_has_only_the_state_that_is_asked_for(
    client: Client, finished: dict[str, Any]
) -> None:
    queued = post(client, HOME, BODY).json()

    def ids(query: str) -> list[str]:
        return [entry["id"] for entry in client.get(f"{HOME}?{query}").json()["results"]]

    assert ids("state=succeeded") == [finished["id"]]
    assert ids("state=queued") == [queued["id"]]
    assert client.get(f"{HOME}?study={uuid4()}").json().keys() == {"study"}
    assert client.get(f"{HOME}?state=done").json().keys() == {"state"}


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        (["pause"], "paused"),
        (["pause", "resume"], "queued"),
        (["cancel"], "cancelled"),
        (["pause", "cancel"], "cancelled"),
    ],
)
def test_simulation_is_moved(
    client: Client, started: dict[str, Any], moves: list[str], state: str
) -> None:
    answers = [post(client, f"{started['url']}{move}/") for move in moves]

    assert [answer.status_code for answer in answers] == [200] * len(moves)
    assert answers[-1].json()["state"] == state


@pytest.mark.parametrize(
    ("move", "reason"),
    [
        ("pause", "succeeded: only queued or running ones can be paused"),
        ("resume", "succeeded: only paused or failed ones can be resumed"),
        ("cancel", "succeeded: only those that have not ended can be cancelled"),
    ],
)
def test_move_that_the_state_does_not_allow_is_a_conflict_that_says_why(
    client: Client, finished: dict[str, Any], move: str, reason: str
) -> None:
    answer = post(client, f"{finished['url']}{move}/")

    assert answer.status_code == 409
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"rounds": 2 * ROUNDS}, {"more": ROUNDS}, {"more": "1.2e5"}])
def test_finished_simulation_is_extended_to_the_answer_of_a_longer_one(
    client: Client,
    finished: dict[str, Any],
    holdfast_jobs: HoldfastJobs,
    body: dict[str, int | str],
) -> None:
    answer = post(client, f"{finished['url']}extend/", body)
    longer = post(client, HOME, BODY | {"rounds": 2 * ROUNDS}).json()
    holdfast_jobs.drain()

    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    extended = client.get(finished["url"]).json()
    assert extended["answer"] == client.get(longer["url"]).json()["answer"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "rounds"),
        ({"rounds": 2_000_000, "more": 1_000}, "rounds"),
        ({"rounds": ROUNDS}, "rounds"),
        ({"more": 0}, "more"),
        ({"more": 10**12}, "more"),
        ({"to": 10**6}, "to"),
    ],
)
def test_extension_that_cannot_be_meant_is_refused(
    client: Client, finished: dict[str, Any], body: dict[str, int], path: str
) -> None:
    answer = post(client, f"{finished['url']}extend/", body)

    assert answer.status_code == 400
    assert list(answer.json()) == [path]
    assert client.get(finished["url"]).json()["state"] == "succeeded"


def test_cancelled_simulation_cannot_be_extended(client: Client, started: dict[str, Any]) -> None:
    post(client, f"{started['url']}cancel/")

    assert post(client, f"{started['url']}extend/", {"more": 1_000}).status_code == 409


def test_other_bets_are_asked_for_without_running_again(
    client: Client, holdfast_jobs: HoldfastJobs
) -> None:
    counted = post(client, HOME, BODY | {"rules": RULES | {"counting": "hi-lo"}}).json()
    holdfast_jobs.drain()
    body = {"bets": {"ramp": {"0": 1, "2": 8}}, "bankroll": {"units": 400}}

    answer = post(client, f"{counted['url']}whatif/", body)

    assert answer.status_code == 200
    assert answer.json()["rules"]["bets"]["ramp"] == {"0": 1, "2": 8}
    assert answer.json()["bets"] != client.get(counted["url"]).json()["answer"]["bets"]
    assert answer.json()["ev"] == client.get(counted["url"]).json()["answer"]["ev"]
    assert answer.json()["bankroll"] is not None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"bets": {"ramp": {"0": 1, "2": 8}}}, "bets"),
        ({"bets": {"rampe": {}}}, "bets.rampe"),
        ({"bankroll": {"units": 0}}, "bankroll.units"),
        ({"bet": {}}, "bet"),
        ({"bets": 5}, "bets"),
    ],
)
def test_bets_that_cannot_be_put_on_it_name_the_key(
    client: Client, finished: dict[str, Any], body: dict[str, Any], path: str
) -> None:
    answer = post(client, f"{finished['url']}whatif/", body)

    assert answer.status_code == 400
    assert list(answer.json()) == [path]


def test_exports_are_files(client: Client, finished: dict[str, Any]) -> None:
    answer = client.get(f"{finished['url']}export/json/")
    table = client.get(f"{finished['url']}export/csv/")

    assert answer["Content-Disposition"] == f'attachment; filename="{finished["id"]}.json"'
    assert json.loads(answer.content) == finished["answer"]
    assert table["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(table.content.decode().splitlines()))
    assert [row["true_count"] for row in rows] == ["-1", "0", "2"]


def test_strategy_is_exported_as_it_can_be_given_back(
    client: Client, finished: dict[str, Any]
) -> None:
    from jost.simulations.charts import read_chart_csv

    file = client.get(f"{finished['url']}export/chart/")

    assert client.get(f"{finished['url']}chart/").json() == CHART
    assert read_chart_csv(file.content.decode()) == CHART


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_nothing_is_exported_before_something_is_counted(
    client: Client, started: dict[str, Any], kind: str
) -> None:
    answer = client.get(f"{started['url']}export/{kind}/")

    assert answer.status_code == 409
    assert "counted yet" in answer.json()["detail"]


def test_unknown_simulation_is_not_found(client: Client) -> None:
    assert client.get(f"{HOME}{uuid4()}/").status_code == 404
    assert post(client, f"{HOME}{uuid4()}/cancel/").status_code == 404
    assert post(client, f"{HOME}{uuid4()}/whatif/", {}).status_code == 404
