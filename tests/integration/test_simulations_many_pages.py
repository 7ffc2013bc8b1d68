"""Pages about many simulations: the list, two games compared, a rule swept, and the chart of any rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle
from jost.simulations.models import Simulation
from tests.simulated import plain_setup
from tests.simulated_pages import ROUNDS, begun, ended, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]


@pytest.fixture
def running() -> Simulation:
    return begun()


@pytest.fixture
def finished(holdfast_jobs: HoldfastJobs) -> Simulation:
    return ended(holdfast_jobs)


def test_chart_page_computes_the_chart_of_any_rules(client: Client) -> None:
    shown = page(client, "/simulations/chart/")
    cell = re.search(r'data-cell="16 against 10" data-values="([^"]*)"', shown)

    assert cell is not None
    assert cell[1].startswith("hit \u2212")
    assert "stand \u2212" in cell[1]


def test_chart_page_says_what_is_wrong(client: Client) -> None:
    wrong = page(client, "/simulations/chart/?decks=12", status=422)

    assert "Decks: choose one of" in wrong


def test_chart_link_of_a_run_shows_its_rules_and_exports_them(
    client: Client, running: Simulation
) -> None:
    link = re.search(r'href="(/simulations/chart/[^"]*)"', page(client, running.get_absolute_url()))
    assert link is not None
    address = link[1].replace("&amp;", "&")

    assert "6 decks" in page(client, address)
    assert page(client, f"{address}&as=csv").startswith("hard,2,3")


def test_comparison_runs_both_games_and_shows_their_difference(
    client: Client, holdfast_jobs: HoldfastJobs
) -> None:
    asked = {
        "base_a": "preset:plain-6d",
        "base_b": "preset:plain-6d",
        "change_b": '{"dealer_hits_soft_17": true}',
        "rounds": "60000",
        "seed": "3",
    }
    answer = client.post("/simulations/studies/compare/", asked)
    assert answer.status_code == 302
    holdfast_jobs.drain()
    shown = page(client, answer["Location"])

    assert Simulation.objects.count() == 2
    assert "B less A" in shown
    assert "H17" in shown
    assert page(client, "/simulations/studies/").count("row-link") == 1


def test_sweep_runs_one_rule_at_each_value(client: Client, holdfast_jobs: HoldfastJobs) -> None:
    asked = {
        "base": "preset:plain-6d",
        "key": "dealing.penetration",
        "values": "0.5, 0.75",
        "rounds": "60000",
    }
    answer = client.post("/simulations/studies/sweep/", asked)
    assert answer.status_code == 302
    holdfast_jobs.drain()
    shown = page(client, answer["Location"])

    dealt = [each.setup.rules.dealing.penetration for each in Simulation.objects.order_by("place")]
    assert dealt == [0.5, 0.75]
    assert "Value of a round by dealing.penetration" in shown
    assert "0.75 less 0.5" in shown
    assert "<html" not in page(client, f"{answer['Location']}?part=1")
    lines = page(client, f"{answer['Location']}?as=csv").splitlines()
    assert lines[0].startswith("dealing.penetration,setup,state,rounds,ev,")
    assert [line.split(",")[0] for line in lines[1:]] == ["0.5", "0.75"]


def test_runs_of_a_study_are_cancelled_together(client: Client) -> None:
    asked = {"base": "preset:plain-6d", "key": "decks", "values": "1, 2", "rounds": "60000"}
    address = client.post("/simulations/studies/sweep/", asked)["Location"]
    assert "Cancel all" in page(client, address)

    after = client.post(f"{address}cancel/", follow=True).content.decode()

    assert {each.state for each in Simulation.objects.all()} == {Simulation.State.CANCELLED}
    assert "Cancel all" not in after


@pytest.mark.parametrize(
    ("address", "change", "field"),
    [
        ("sweep", {"values": "0.5, 2"}, "values"),
        ("sweep", {"values": "0.5"}, "values"),
        ("sweep", {"change": "{"}, "change"),
        ("compare", {"change_b": '{"deks": 3}'}, "change_b"),
        ("compare", {"base_a": "preset:none"}, "base_a"),
    ],
)
def test_wrong_study_says_the_repair_and_starts_nothing(
    client: Client, address: str, change: dict[str, str], field: str
) -> None:
    asked = {
        "base": "preset:plain-6d",
        "base_a": "preset:plain-6d",
        "base_b": "preset:plain-6d",
        "key": "dealing.penetration",
        "values": "0.5, 0.75",
        "rounds": "60000",
    }
    answer = client.post(f"/simulations/studies/{address}/", asked | change)

    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Simulation.objects.exists()


def test_ticked_runs_are_shown_side_by_side(
    client: Client, running: Simulation, finished: Simulation
) -> None:
    shown = page(client, f"/simulations/compare/?run={running.pk}&run={finished.pk}&run=none")

    assert "B less A" in shown
    assert "some share a seed" in shown
    assert "Tick two or more" in page(client, "/simulations/compare/")


def test_list_shows_every_state_and_its_pages(client: Client, running: Simulation) -> None:
    rules = plain_setup().to_dict()
    Simulation.objects.bulk_create(
        Simulation(rules=rules, rounds=10_000 + number, seed=1, engine_version=2)
        for number in range(25)
    )

    newest = page(client, "/simulations/")
    oldest = page(client, "/simulations/rows/?page=2")

    assert "Page 1 of 2" in newest
    assert str(running.pk) not in newest
    assert str(running.pk) in oldest
    assert "<html" not in oldest


def test_list_needs_few_queries_however_long_it_is(
    client: Client, running: Simulation, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        lifecycle.start(plain_setup(), rounds=ROUNDS)

    with django_assert_max_num_queries(3):
        client.get("/simulations/rows/")
