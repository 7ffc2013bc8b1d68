"""The form of a new simulation: what it starts, and what is wrong said beside its field, with the repair."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations.engine import Rules
from jost.simulations.engine.counting import CARDS
from jost.simulations.engine.rules import Dealing
from jost.simulations.models import Simulation
from tests.simulated_pages import FORM, NEW, ended, page, start

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending", "holdfast_jobs")]

COUNTED = {"counting": "hi-lo", "illustrious_18": "on", "betting": "ramp", "ramp": "0:1, 2:4"}
OWN_TAGS = {
    "counting": "own",
    "count_name": "halves",
    **{f"tag_{card}": str(tag / 2) for card, tag in zip(CARDS, range(10), strict=True)},
}


@pytest.fixture
def finished(holdfast_jobs: HoldfastJobs) -> Simulation:
    return ended(holdfast_jobs)


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
