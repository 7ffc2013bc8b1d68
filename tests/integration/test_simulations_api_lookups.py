"""REST without a run: exact values, computed charts, lists of what a rules file may name, the schema."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from jost.simulations.engine import Rules
from jost.simulations.exact import best_chart, exact_ev
from jost.simulations.schemas import schema_of
from jost.simulations.setup import Setup
from tests.simulated import CHART

pytestmark = pytest.mark.django_db

HOME = "/api/simulations/"
GRIFFIN: dict[str, Any] = {"decks": 0, "double_after_split": False, "max_hands": 2}


def post(client: Client, address: str, body: Any) -> Any:
    return client.post(address, body, content_type="application/json")


def test_exact_value_is_told_with_what_it_holds_for(client: Client) -> None:
    answer = post(client, f"{HOME}exact/", {"rules": GRIFFIN})

    rules = Rules.from_dict(GRIFFIN)
    assert answer.status_code == 200
    assert answer.json()["ev"] == exact_ev(rules, best_chart(rules))
    assert answer.json()["ev"] == pytest.approx(-0.00690223, abs=2e-7)
    assert answer.json()["holds_for"].startswith("every round")
    Draft202012Validator(schema_of("exact")).validate(answer.json())
    assert answer.json()["dealer"]["A"]["bust"] == pytest.approx(0.115286, abs=1e-6)


def test_game_with_a_cut_card_has_no_exact_value_and_the_reason_is_told(client: Client) -> None:
    answer = post(
        client, f"{HOME}exact/", {"rules": {"strategy": CHART, "dealing": {"mode": "cut_card"}}}
    )

    assert answer.status_code == 400
    assert list(answer.json()) == ["rules.dealing"]
    assert "fixed_rounds" in answer.json()["rules.dealing"][0]


def test_exact_value_is_that_of_fresh_shoes_where_nothing_else_is_said(client: Client) -> None:
    answer = post(client, f"{HOME}exact/", {"rules": {"strategy": CHART}})

    assert answer.json()["rules"]["dealing"] == {"mode": "every_round"}


def test_strategy_is_computed_for_rules_and_keeps_the_rows_that_are_given(client: Client) -> None:
    own = {"hard": {"16": ["S"] * 10}}

    computed = post(client, f"{HOME}chart/", {"rules": GRIFFIN}).json()
    mixed = post(client, f"{HOME}chart/", {"rules": GRIFFIN | {"strategy": own}}).json()

    assert computed == best_chart(Rules.from_dict(GRIFFIN)).to_dict()
    assert mixed["hard"] == computed["hard"] | own["hard"]


@pytest.mark.parametrize("place", ["exact", "chart"])
def test_wrong_rules_name_the_key_and_the_repair(client: Client, place: str) -> None:
    answer = post(client, f"{HOME}{place}/", {"rules": {"decks": 9}})

    assert answer.status_code == 400
    assert answer.json() == {"rules.decks": ["decks must be a whole number from 0 to 8."]}


def test_presets_are_rules_to_begin_with(client: Client) -> None:
    presets = client.get(f"{HOME}presets/").json()

    assert len(presets) >= 14
    for preset in presets:
        assert preset["sentence"].endswith(".")
        assert Rules.from_dict(preset["rules"]).to_dict() == preset["rules"]


def test_counting_systems_can_be_given_back_by_name(client: Client) -> None:
    systems = {each["key"]: each for each in client.get(f"{HOME}counting-systems/").json()}

    assert {"hi-lo", "ko", "hi-opt-i", "hi-opt-ii", "omega-ii", "zen", "wong-halves"} == set(
        systems
    )
    assert systems["wong-halves"]["tags"]["5"] == 1.5
    assert systems["ko"]["true_count"] == "none"
    for key in systems:
        assert Setup.from_dict({"strategy": CHART, "counting": key}).game.count is not None


def test_index_plays_are_listed_by_the_names_of_their_sets(client: Client) -> None:
    sets = {each["key"]: each["plays"] for each in client.get(f"{HOME}index-plays/").json()}

    assert {name: len(plays) for name, plays in sets.items()} == {"illustrious-18": 18, "fab-4": 4}
    given = Setup.from_dict(
        {"strategy": CHART, "counting": "hi-lo", "index_plays": sets["illustrious-18"]}
    )
    named = Setup.from_dict(
        {"strategy": CHART, "counting": "hi-lo", "index_plays": ["illustrious-18"]}
    )
    assert given == named


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    generated: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return generated


def test_schema_is_valid_and_names_what_can_be_done(schema: dict[str, Any]) -> None:
    validate_schema(schema)

    one = f"{HOME}{{id}}/"
    assert set(schema["paths"][HOME]) == {"get", "post"}
    for move in ("pause", "resume", "cancel", "extend", "whatif"):
        assert set(schema["paths"][f"{one}{move}/"]) == {"post"}
    for place in (one, f"{one}export/csv/", f"{one}export/json/", f"{HOME}studies/{{id}}/"):
        assert set(schema["paths"][place]) == {"get"}


def test_schema_describes_rules_files_and_answers_by_their_own_schemas(
    schema: dict[str, Any],
) -> None:
    components = schema["components"]["schemas"]

    for name, file in (("RulesFile", "rules"), ("Answer", "simulate"), ("ExactAnswer", "exact")):
        own = schema_of(file)
        assert components[name]["properties"].keys() == own["properties"].keys()
        assert components[name]["description"] == own["description"]
    assert components["Start"]["properties"]["rules"]["$ref"].endswith("/RulesFile")
