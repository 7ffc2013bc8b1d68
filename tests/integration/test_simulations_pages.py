"""The pages: start, watch, move, keep; what is wrong is said beside its field, with the repair."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle, tasks
from jost.simulations.engine import Rules
from jost.simulations.engine.counting import CARDS
from jost.simulations.engine.rules import Dealing
from jost.simulations.models import Simulation
from jost.simulations.setup import Setup
from tests.simulated import SEED, plain_setup

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

NEW = "/simulations/new/"
ROUNDS = 120_000
FORM = {
    "decks": "2",
    "dealer_hits_soft_17": "yes",
    "blackjack_pays": "3:2",
    "surrender": "late",
    "mode": "cut_card",
    "penetration": "60",
    "double_on": "any",
    "max_hands": "3",
    "dealer_peeks": "on",
    "seats": "1",
    "other_players": "2",
    "strategy_from": "computed",
    "counting": "",
    "true_count": "floor",
    "betting": "flat",
    "rounds": "2e3",
    "seed": "5",
}
COUNTED = {"counting": "hi-lo", "illustrious_18": "on", "betting": "ramp", "ramp": "0:1, 2:4"}
OWN_TAGS = {
    "counting": "own",
    "count_name": "halves",
    **{f"tag_{card}": str(tag / 2) for card, tag in zip(CARDS, range(10), strict=True)},
}


@pytest.fixture
def running() -> Simulation:
    """One whose first chunk is counted."""
    simulation = lifecycle.start(plain_setup(), rounds=ROUNDS, seed=SEED)
    tasks.run_chunk(str(simulation.pk), 0)
    simulation.refresh_from_db()
    return simulation


@pytest.fixture
def finished(holdfast_jobs: HoldfastJobs) -> Simulation:
    setup = Setup.from_dict(
        {
            "strategy": plain_setup().game.chart.to_dict(),
            "counting": "hi-lo",
            "bets": {"ramp": {"0": 1, "2": 4}},
            "bankroll": {"units": 1000},
        }
    )
    simulation = lifecycle.start(setup, rounds=ROUNDS, seed=SEED)
    holdfast_jobs.drain()
    simulation.refresh_from_db()
    return simulation


def page(client: Client, address: str, *, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return str(answer.content.decode())


def start(client: Client, **changes: Any) -> Simulation:
    answer = client.post(NEW, FORM | changes)
    assert answer.status_code == 302, re.findall(r'class="error"[^>]*>([^<]*)', str(answer.content))
    return Simulation.objects.get()


def test_start_page_leads_to_the_simulations(client: Client) -> None:
    assert 'href="/simulations/"' in page(client, "/")


def test_empty_list_leads_to_a_new_simulation(client: Client) -> None:
    assert f'href="{NEW}"' in page(client, "/simulations/")


def test_form_starts_the_simulation_it_describes(client: Client) -> None:
    simulation = start(client, name="mine", target="0.5")

    assert simulation.setup.rules == Rules(
        decks=2,
        dealer_hits_soft_17=True,
        double_after_split=False,
        surrender="late",
        max_hands=3,
        other_players=2,
        dealing=Dealing(penetration=0.6),
    )
    assert (simulation.rounds, simulation.seed, simulation.target) == (2_000, 5, 0.005)
    assert simulation.name == "mine"


def test_form_says_count_plays_and_bets(client: Client) -> None:
    simulation = start(
        client,
        **COUNTED,
        own_plays="12 v 2 >= 2 S\ninsurance >= 4",
        wong_out="-1",
        unit="25",
        bankroll="500",
        hours="100",
    )

    said = simulation.setup.to_dict()
    assert said["counting"] == {"system": "hi-lo", "true_count": "floor"}
    assert {"hand": "insurance", "at_least": 4} in said["index_plays"]
    assert {"hand": "12", "upcard": "2", "at_least": 2, "play": "S"} in said["index_plays"]
    assert (said["bets"]["ramp"], said["bets"]["wong_out"]) == ({"0": 1, "2": 4}, -1)
    assert (said["bankroll"]["units"], said["bankroll"]["hours"]) == (500, 100)


def test_own_tags_are_counted(client: Client) -> None:
    simulation = start(client, **OWN_TAGS)

    counting = simulation.setup.to_dict()["counting"]
    assert counting["name"] == "halves"
    assert counting["tags"] == {card: tag / 2 for card, tag in zip(CARDS, range(10), strict=True)}


@pytest.mark.parametrize(
    "chart",
    ["hard 16,S,S,S,S,S,S,S,S,S,S", '{"hard": {"16": ["S","S","S","S","S","S","S","S","S","S"]}}'],
)
def test_own_chart_is_played_and_the_rest_computed(client: Client, chart: str) -> None:
    simulation = start(client, strategy_from="own", strategy=chart)

    assert {str(code) for code in simulation.setup.game.chart.hard["16"]} == {"S"}
    assert str(simulation.setup.game.chart.hard["17"][0]) == "S"


def test_uploaded_chart_takes_the_place_of_the_written_one(client: Client) -> None:
    file = SimpleUploadedFile("mine.csv", b"\xef\xbb\xbf5,S,S,S,S,S,S,S,S,S,S\n")
    simulation = start(client, strategy_from="own", strategy="nonsense", strategy_file=file)

    assert {str(code) for code in simulation.setup.game.chart.hard["5"]} == {"S"}


def test_simulation_without_a_seed_gets_one(client: Client) -> None:
    assert 0 <= start(client, seed="").seed < 10**9


@pytest.mark.parametrize(
    ("change", "field", "repair"),
    [
        ({"rounds": "many"}, "rounds", "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "1e999999"}, "rounds", "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "999"}, "rounds", "Rounds must lie between 1,000 and 100,000,000,000"),
        ({"rounds": ""}, "rounds", "Say how many rounds"),
        ({"seed": "-1"}, "seed", "The seed must lie between 0 and"),
        ({"target": "90"}, "target", "Give a number of percent between"),
        ({"penetration": "96"}, "penetration", "Give a number from 10 to 95"),
        ({"decks": "9"}, "decks", "Decks: choose one of"),
        ({"dealer_hits_soft_17": "maybe"}, "dealer_hits_soft_17", "stands, hits"),
        (
            {"mode": "fixed_rounds", "rounds_per_shoe": ""},
            "rounds_per_shoe",
            "dealing.rounds is missing",
        ),
        ({"strategy_from": "own"}, "strategy", "Paste a chart or choose a file"),
        ({"strategy_from": "own", "strategy": "16,S,S,S,S,S,H,H,X,H,H"}, "strategy", "against 9"),
        (OWN_TAGS | {"tag_5": "9"}, "tag_5", "counting.tags.5 must be"),
        (OWN_TAGS | {"tag_5": ""}, "tag_5", "counting.tags.5 is missing"),
        ({"counting": "hi-lo", "own_plays": "16 v 10"}, "own_plays", "Line 1"),
        ({"counting": "hi-lo", "own_plays": "16 v 10 >= 0 X"}, "own_plays", "no code"),
        ({"illustrious_18": "on"}, "own_plays", "add counting"),
        ({"counting": "hi-lo", "betting": "ramp", "ramp": "nine"}, "ramp", "no step of a ramp"),
        ({"betting": "ramp", "ramp": "0:1, 1:2"}, "betting", "depend on a count"),
        ({"counting": "hi-lo", "betting": "kelly", "kelly": "0.5"}, "kelly", "bankroll"),
        ({"counting": "hi-lo", "wong_in": "1", "wong_out": "2"}, "wong_out", "must not be above"),
    ],
)
def test_wrong_form_says_the_repair_beside_the_field_and_starts_nothing(
    client: Client, change: dict[str, str], field: str, repair: str
) -> None:
    answer = client.post(NEW, FORM | change)

    assert answer.status_code == 422
    beside = re.search(rf'id="id_{field}_error">(.*?)</div>', answer.content.decode(), re.DOTALL)
    assert beside is not None
    assert repair in beside[1]
    assert not Simulation.objects.exists()


def test_fold_with_an_error_is_open(client: Client) -> None:
    wrong = client.post(NEW, FORM | OWN_TAGS | {"tag_5": ""}).content.decode()

    fold = wrong.index("<h2>Counting</h2>")
    assert wrong[:fold].rindex("<details") == wrong[:fold].rindex(
        '<details class="card fold" open>'
    )


def test_casino_fills_in_its_rules(client: Client) -> None:
    filled = page(client, f"{NEW}?preset=double-deck-h17")

    assert re.search(r'name="decks" value="2"[^>]*checked', filled)
    assert re.search(r'name="dealer_hits_soft_17" value="yes"[^>]*checked', filled)
    assert "Two decks as most of Nevada deals them" in filled


def test_new_one_like_another_has_the_same_setup(client: Client, finished: Simulation) -> None:
    filled = page(client, f"{NEW}?from={finished.pk}")

    assert re.search(r'value="hi-lo" selected', filled)
    assert 'value="0:1, 2:4"' in filled
    assert re.search(r'name="bankroll" value="1000"', filled)
    assert page(client, f"{NEW}?from={uuid4()}", status=404)


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


@pytest.mark.parametrize("address", ["", "live/", "answer/", "exact/", "bets/", "export/json/"])
def test_unknown_simulation_is_not_found(client: Client, address: str) -> None:
    assert client.get(f"/simulations/{uuid4()}/{address}").status_code == 404


@pytest.mark.parametrize("address", ["live/", "cancel/", "pause/", "extend/"])
def test_addresses_answer_their_method_only(
    client: Client, running: Simulation, address: str
) -> None:
    wrong = client.post if address == "live/" else client.get

    assert wrong(f"{running.get_absolute_url()}{address}").status_code == 405
