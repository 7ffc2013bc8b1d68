"""The page of a simulation: watch, move, ask, keep."""

from __future__ import annotations

import json
import re
from uuid import uuid4

import pytest
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, tasks
from jost.simulations.models import Simulation
from jost.simulations.setup import Setup
from tests.simulated import SEED, plain_setup
from tests.simulated_pages import FORM, NEW, ROUNDS, begun, ended, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]


@pytest.fixture
def running() -> Simulation:
    return begun()


@pytest.fixture
def finished(holdfast_jobs: HoldfastJobs) -> Simulation:
    return ended(holdfast_jobs)


def test_start_page_leads_to_the_simulations(client: Client) -> None:
    assert 'href="/simulations/"' in page(client, "/")


def test_empty_list_leads_to_a_new_simulation(client: Client) -> None:
    assert f'href="{NEW}"' in page(client, "/simulations/")


def test_forms_need_their_token(running: Simulation) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post(NEW, FORM).status_code == 403
    for move in ("pause", "resume", "extend", "cancel", "rename"):
        assert strict.post(f"/simulations/{running.pk}/{move}/").status_code == 403


def test_page_shows_progress_and_offers_what_its_state_allows(
    client: Client, running: Simulation
) -> None:
    shown = page(client, running.get_absolute_url())

    assert "running" in shown
    assert "1 of 3" in shown
    for move in ("pause", "extend", "cancel"):
        assert f"/simulations/{running.pk}/{move}/" in shown
    assert f"/simulations/{running.pk}/resume/" not in shown
    assert f"<span data-total-plain>{ROUNDS}</span> --seed {SEED}" in shown


def test_page_is_read_without_scripts(client: Client, running: Simulation) -> None:
    shown = page(client, running.get_absolute_url())

    assert '<noscript><meta http-equiv="refresh"' in shown
    table = shown[shown.index("Convergence, table") :]
    assert '<th scope="row">50\u202f000</th>' in table


def test_page_carries_the_figures_that_it_asks_for_later(
    client: Client, running: Simulation
) -> None:
    shown = page(client, running.get_absolute_url())
    found = re.search(r'<script id="live" type="application/json">(.*?)</script>', shown)
    assert found is not None
    carried = json.loads(found[1])
    asked = client.get(f"{running.get_absolute_url()}live/").json()

    for moving in ("seconds", "rounds_per_second"):
        assert carried.pop(moving) > 0
        assert asked.pop(moving) > 0
    assert carried == asked
    assert asked["state"] == "running"
    assert asked["rounds_done"] == 50_000
    assert len(asked["points"]) == 1


@pytest.mark.parametrize("part", ["live/", "answer/", "moves/", "exact/", ""])
def test_what_moves_is_never_cached(client: Client, running: Simulation, part: str) -> None:
    answer = client.get(f"{running.get_absolute_url()}{part}")

    assert "no-store" in answer["Cache-Control"]


def test_page_of_a_simulation_that_waits_has_no_figures_yet(client: Client) -> None:
    waiting = lifecycle.start(plain_setup(), rounds=ROUNDS)

    assert "Waiting for the first chunks" in page(client, waiting.get_absolute_url())
    asked = client.get(f"{waiting.get_absolute_url()}live/").json()
    assert asked["ev"] is None
    assert asked["points"] == []


def test_pause_and_resume_are_moves_of_the_page(client: Client, running: Simulation) -> None:
    client.post(f"{running.get_absolute_url()}pause/")
    paused = page(client, running.get_absolute_url())
    client.post(f"{running.get_absolute_url()}resume/")

    assert f"/simulations/{running.pk}/resume/" in paused
    running.refresh_from_db()
    assert running.is_active


def test_extension_adds_rounds_to_those_there_are(client: Client, finished: Simulation) -> None:
    client.post(f"{finished.get_absolute_url()}extend/", {"more": "1e5"})

    finished.refresh_from_db()
    assert finished.rounds == ROUNDS + 100_000


@pytest.mark.parametrize(("more", "repair"), [("lots", "write 100000000"), ("1e11", "at most")])
def test_wrong_extension_says_the_repair(
    client: Client, finished: Simulation, more: str, repair: str
) -> None:
    answer = client.post(f"{finished.get_absolute_url()}extend/", {"more": more}, follow=True)

    assert repair in answer.content.decode()


def test_cancel_button_ends_the_simulation_once(client: Client, running: Simulation) -> None:
    first = client.post(f"/simulations/{running.pk}/cancel/", follow=True)
    second = client.post(f"/simulations/{running.pk}/cancel/", follow=True)

    running.refresh_from_db()
    assert running.state == Simulation.State.CANCELLED
    assert "there was nothing to cancel" not in first.content.decode()
    assert "there was nothing to cancel" in second.content.decode()


def test_name_is_shown_as_text(client: Client, running: Simulation) -> None:
    answer = client.post(
        f"{running.get_absolute_url()}rename/", {"name": " <b>mine</b> "}, follow=True
    )

    running.refresh_from_db()
    assert running.name == "<b>mine</b>"
    assert "<b>mine" not in answer.content.decode()


def test_finished_page_has_every_plot_with_its_table(client: Client, finished: Simulation) -> None:
    shown = page(client, finished.get_absolute_url())

    for key in ("convergence", "counts", "outcomes", "bankroll"):
        assert f'data-plot="plot-{key}"' in shown
        assert f'<script id="plot-{key}" type="application/json">' in shown
    for words in ("Risk of ruin", "SCORE", "N0, rounds", "Blackjacks", "Edge per true count"):
        assert words in shown


def test_exact_value_stands_beside_the_simulated_one(client: Client, finished: Simulation) -> None:
    part = page(client, f"{finished.get_absolute_url()}exact/")

    assert "simulated" in part
    assert "cut-card effect" in part
    assert "75% dealt" in part
    assert re.search(r"exact \u2212\d\.\d{4}\u202f%", part)
    assert "exact" in page(client, f"{finished.get_absolute_url()}?exact=1")


def test_exact_value_of_the_same_game_is_measured_in_standard_errors(client: Client) -> None:
    setup = Setup.from_dict(
        {"strategy": plain_setup().game.chart.to_dict(), "dealing": {"mode": "every_round"}}
    )
    simulation = lifecycle.start(setup, rounds=ROUNDS)
    tasks.run_chunk(str(simulation.pk), 0)

    part = page(client, f"{simulation.get_absolute_url()}exact/")

    assert "standard errors apart" in part
    assert "cut-card effect" not in part
    assert "data-exact-ev" in part


def test_other_bets_are_answered_without_a_run_and_keep_their_address(
    client: Client, finished: Simulation
) -> None:
    address = f"{finished.get_absolute_url()}bets/"
    flat = page(client, f"{address}?betting=flat&rounds_per_hour=80&bankroll=200&hours=10")
    kelly = page(
        client, f"{address}?betting=kelly&kelly=0.5&bankroll=200&hours=10&max_units=8&wong_in=1"
    )

    assert '<h2 id="bets-title">flat</h2>' in flat
    assert "Risk of ruin within 10 hours" in flat
    assert "0.5 Kelly, in at +1" in kelly
    assert "Rounds played" in kelly
    assert Simulation.objects.count() == 1


def test_wrong_bets_say_the_repair(client: Client, finished: Simulation) -> None:
    wrong = page(client, f"{finished.get_absolute_url()}bets/?betting=ramp&ramp=0:x", status=422)

    assert "no step of a ramp" in wrong


@pytest.mark.parametrize("kind", ["json", "csv", "payoffs", "rules", "chart"])
def test_run_is_exported(client: Client, finished: Simulation, kind: str) -> None:
    answer = client.get(f"{finished.get_absolute_url()}export/{kind}/")

    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    if kind == "json":
        assert answer.json()["rounds"] == ROUNDS
    if kind == "csv":
        assert answer.content.decode().startswith("true_count,rounds,share")
    if kind == "rules":
        assert Setup.from_dict(answer.json()) == finished.setup
    assert client.get(f"{finished.get_absolute_url()}export/exe/").status_code == 404


@pytest.mark.parametrize("address", ["", "live/", "answer/", "exact/", "bets/", "export/json/"])
def test_unknown_simulation_is_not_found(client: Client, address: str) -> None:
    assert client.get(f"/simulations/{uuid4()}/{address}").status_code == 404


@pytest.mark.parametrize("address", ["live/", "cancel/", "pause/", "extend/"])
def test_addresses_answer_their_method_only(
    client: Client, running: Simulation, address: str
) -> None:
    wrong = client.post if address == "live/" else client.get

    assert wrong(f"{running.get_absolute_url()}{address}").status_code == 405
