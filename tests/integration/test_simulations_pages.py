"""The pages: start, watch, cancel; what is wrong is said with its repair."""

import json
import re
from uuid import uuid4

import pytest
from django.test import Client

import holdfast
from jost.simulations import tasks
from jost.simulations.engine import ENGINE_VERSION, Plan, Rules
from jost.simulations.models import Simulation

pytestmark = pytest.mark.django_db

FORM = {
    "decks": "2",
    "soft_17": "hit",
    "late_surrender": "on",
    "penetration": "60",
    "rounds": "2e3",
    "seed": "5",
}


@pytest.fixture
def running() -> Simulation:
    simulation = Simulation.objects.create(
        rules=Rules().to_dict(),
        rounds=2_000,
        seed=1,
        chunk_size=Plan.for_rounds(2_000).chunk_size,
        engine_version=ENGINE_VERSION,
    )
    tasks.run_chunk(str(simulation.pk), 0)
    simulation.refresh_from_db()
    return simulation


def test_start_page_leads_to_the_simulations(client: Client) -> None:
    assert 'href="/simulations/"' in client.get("/").content.decode()


@pytest.mark.usefixtures("inline")
def test_form_starts_the_simulation_it_describes(client: Client) -> None:
    answer = client.post("/simulations/", FORM)

    simulation = Simulation.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/simulations/{simulation.pk}/"
    assert simulation.game == Rules(
        decks=2,
        hit_soft_17=True,
        double_after_split=False,
        late_surrender=True,
        penetration=0.6,
    )
    assert (simulation.rounds, simulation.seed) == (2_000, 5)


@pytest.mark.usefixtures("inline")
def test_simulation_without_a_seed_gets_one(client: Client) -> None:
    client.post("/simulations/", FORM | {"seed": ""})

    assert 0 <= Simulation.objects.get().seed < 10**9


@pytest.mark.parametrize(
    ("change", "repair"),
    [
        ({"rounds": "many"}, "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "1.5"}, "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "1e999999"}, "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "nan"}, "write 100000000, 100_000_000 or 1e8"),
        ({"rounds": "999"}, "Rounds must lie between 1,000 and 20,000,000,000"),
        ({"rounds": ""}, "Say how many rounds"),
        ({"seed": "-1"}, "The seed must lie between 0 and"),
        ({"seed": "x"}, "is no whole number for seed"),
        ({"penetration": "96"}, "Choose 10 to 95 percent"),
        ({"penetration": ""}, "Choose 10 to 95 percent"),
        ({"decks": "9"}, "Choose 1 to 8 decks."),
        ({"soft_17": "maybe"}, "Choose whether the dealer stands or hits."),
    ],
)
def test_wrong_form_says_the_repair_and_starts_nothing(
    client: Client, change: dict[str, str], repair: str
) -> None:
    answer = client.post("/simulations/", FORM | change)

    assert answer.status_code == 422
    assert repair in answer.content.decode()
    assert not Simulation.objects.exists()


@pytest.mark.parametrize("text", ["1e8", "100000000", "100_000_000", "100,000,000", " 1E8 "])
def test_rounds_are_read_as_people_write_them(text: str) -> None:
    from jost.simulations.numbers import parse_rounds

    assert parse_rounds(text) == 100_000_000


def test_forms_need_their_token(running: Simulation) -> None:
    strict = Client(enforce_csrf_checks=True)

    assert strict.post("/simulations/", FORM).status_code == 403
    assert strict.post(f"/simulations/{running.pk}/cancel/").status_code == 403


def test_page_shows_progress_and_offers_to_cancel(client: Client, running: Simulation) -> None:
    page = client.get(running.get_absolute_url()).content.decode()

    assert "running" in page
    assert "1 of 2" in page
    assert f"/simulations/{running.pk}/cancel/" in page
    assert "--decks 6 --penetration 0.75 --rounds 2000 --seed 1" in page


def test_page_carries_the_figures_that_it_asks_for_later(
    client: Client, running: Simulation
) -> None:
    page = client.get(running.get_absolute_url()).content.decode()
    found = re.search(r'<script id="live" type="application/json">(.*?)</script>', page)
    assert found is not None
    carried = json.loads(found[1])
    asked = client.get(f"{running.get_absolute_url()}live/").json()

    for moving in ("seconds", "rounds_per_second"):
        assert carried.pop(moving) > 0
        assert asked.pop(moving) > 0
    assert carried == asked
    assert asked["state"] == "running"
    assert asked["rounds_done"] == 1_000
    assert len(asked["points"]) == 1


def test_live_figures_are_never_cached(client: Client, running: Simulation) -> None:
    answer = client.get(f"{running.get_absolute_url()}live/")

    assert "no-store" in answer["Cache-Control"]


def test_page_of_a_simulation_that_waits_has_no_figures_yet(client: Client) -> None:
    simulation = Simulation.objects.create(
        rules=Rules().to_dict(), rounds=2_000, seed=1, chunk_size=1_000, engine_version=1
    )

    assert client.get(simulation.get_absolute_url()).status_code == 200
    asked = client.get(f"{simulation.get_absolute_url()}live/").json()
    assert asked["ev"] is None
    assert asked["points"] == []


def test_cancel_button_ends_the_simulation(
    client: Client, running: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdfast, "cancel", lambda *_args, **_options: [])

    first = client.post(f"/simulations/{running.pk}/cancel/", follow=True)
    second = client.post(f"/simulations/{running.pk}/cancel/", follow=True)

    running.refresh_from_db()
    assert running.state == Simulation.State.CANCELLED
    assert "there was nothing to cancel" not in first.content.decode()
    assert "there was nothing to cancel" in second.content.decode()


def test_list_shows_every_state_and_its_pages(client: Client, running: Simulation) -> None:
    for number in range(25):
        Simulation.objects.create(
            rules=Rules(decks=1).to_dict(),
            rounds=10_000 + number,
            seed=1,
            chunk_size=5_000,
            engine_version=1,
        )

    newest = client.get("/simulations/").content.decode()
    oldest = client.get("/simulations/rows/?page=2").content.decode()

    assert "Page 1 of 2" in newest
    assert str(running.pk) not in newest
    assert str(running.pk) in oldest
    assert "<html" not in oldest


def test_list_needs_few_queries_however_long_it_is(
    client: Client, running: Simulation, django_assert_max_num_queries: object
) -> None:
    for _ in range(5):
        Simulation.objects.create(
            rules=Rules().to_dict(), rounds=2_000, seed=1, chunk_size=1_000, engine_version=1
        )

    with django_assert_max_num_queries(3):  # type: ignore[operator]
        client.get("/simulations/rows/")


@pytest.mark.parametrize("address", ["", "live/"])
def test_unknown_simulation_is_not_found(client: Client, address: str) -> None:
    assert client.get(f"/simulations/{uuid4()}/{address}").status_code == 404


@pytest.mark.parametrize("address", ["live/", "cancel/"])
def test_addresses_answer_their_method_only(
    client: Client, running: Simulation, address: str
) -> None:
    wrong = client.post if address == "live/" else client.get

    assert wrong(f"{running.get_absolute_url()}{address}").status_code == 405
