"""Who may use JOST's pages and API, and that browsers are sent to no other host."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from holdfast.testing import HoldfastJobs
from jost.simulations import lifecycle
from jost.simulations.models import Simulation
from tests.simulated import plain_setup

pytestmark = pytest.mark.django_db

START = {"decks": "6", "soft_17": "stand", "penetration": "75", "rounds": "2e3"}


@pytest.fixture
def simulation(holdfast_jobs: HoldfastJobs) -> Simulation:
    return lifecycle.start(plain_setup(), rounds=2_000, seed=1)


@pytest.fixture
def closed(settings: Any) -> None:
    """JOST as it is deployed."""
    settings.JOST_LOGIN = True


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password="counts by hand")


@pytest.mark.usefixtures("closed")
def test_pages_send_a_stranger_to_the_login_and_show_nothing(
    client: Client, simulation: Simulation
) -> None:
    page = simulation.get_absolute_url()
    for address in ("/simulations/", "/simulations/rows/", page, f"{page}live/"):
        answer = client.get(address)
        assert answer.status_code == 302
        assert answer["Location"] == f"/login/?next={address}"


@pytest.mark.usefixtures("closed")
def test_stranger_starts_and_cancels_nothing(client: Client, simulation: Simulation) -> None:
    by_form = client.post("/simulations/", START)
    by_api = client.post("/api/simulations/", {"rounds": 2_000}, content_type="application/json")
    cancelled = client.post(f"{simulation.get_absolute_url()}cancel/")
    cancelled_by_api = client.post(f"/api/simulations/{simulation.pk}/cancel/")

    assert by_form.status_code == cancelled.status_code == 302
    assert by_api.status_code == cancelled_by_api.status_code == 401
    assert Simulation.objects.get().state == Simulation.State.QUEUED


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize("address", ["/api/simulations/", "/api/schema/", "/api/docs/"])
def test_stranger_reads_nothing_of_the_api(client: Client, debug_urls: None, address: str) -> None:
    assert client.get(address).status_code == 401


@pytest.mark.usefixtures("closed")
def test_start_page_and_login_are_open(client: Client) -> None:
    assert client.get("/").status_code == 200
    assert b"createsuperuser" in client.get("/login/").content


@pytest.mark.usefixtures("closed", "user")
def test_who_signs_in_gets_the_page_that_was_asked_for(client: Client) -> None:
    wrong = client.post("/login/", {"username": "ada", "password": "guessed"})
    right = client.post(
        "/login/?next=/simulations/",
        {"username": "ada", "password": "counts by hand", "next": "/simulations/"},
        follow=True,
    )

    assert wrong.status_code == 200
    assert b"enter a correct username and password" in wrong.content
    assert right.redirect_chain == [("/simulations/", 302)]
    assert b"Sign out" in right.content


@pytest.mark.usefixtures("closed")
def test_who_signs_out_is_a_stranger_again(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get("/simulations/").status_code == 200
    client.post("/logout/")
    assert client.get("/simulations/").status_code == 302


@pytest.mark.usefixtures("closed", "user")
def test_scripts_use_the_api_with_a_name_and_a_password(client: Client) -> None:
    said = base64.b64encode(b"ada:counts by hand").decode()
    answer = client.get("/api/simulations/", headers={"Authorization": f"Basic {said}"})
    assert answer.status_code == 200


def test_nobody_is_asked_for_a_name_on_a_machine_of_ones_own(
    client: Client, simulation: Simulation
) -> None:
    for address in ("/simulations/", simulation.get_absolute_url(), "/api/simulations/"):
        assert client.get(address).status_code == 200


@pytest.fixture
def debug_urls(settings: Any) -> None:
    """The addresses that exist in debug only."""
    settings.ROOT_URLCONF = "tests.debug_urls"


def test_no_page_names_another_host(
    client: Client, simulation: Simulation, user: User, debug_urls: None
) -> None:
    open_pages = [
        "/",
        "/login/",
        "/simulations/",
        simulation.get_absolute_url(),
        "/nowhere/",
        "/admin/login/",
    ]
    tools = ["/api/docs/", "/api/redoc/", "/api/simulations/", f"/api/simulations/{simulation.pk}/"]
    pages = {
        address: client.get(address, headers={"Accept": "text/html"})
        for address in [*open_pages, *tools]
    }
    client.force_login(user)
    pages["/simulations/ signed in"] = client.get("/simulations/")

    for address, page in pages.items():
        assert "<html" in page.content.decode(), address
        assert _other_hosts(page.content.decode()) == set(), address
        assert page["Content-Security-Policy"].startswith("default-src 'self';"), address


def test_no_style_or_script_of_ours_names_another_host() -> None:
    files = [*Path("jost/static").rglob("*.css"), *Path("jost/static").rglob("*.js")]
    assert len(files) >= 4
    for file in files:
        # The first words of what others wrote may say where it comes from.
        text = re.sub(r"\A/\*!.*?\*/", "", file.read_text(), flags=re.DOTALL)
        assert _other_hosts(text) == set(), file


def _other_hosts(text: str) -> set[str]:
    # A namespace is a name that looks like an address.
    found = re.findall(r"(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}", text, re.IGNORECASE)
    return {address for address in found if not address.endswith("//www.w3.org")}


def test_console_is_in_the_language_of_the_browser_and_all_else_in_english(client: Client) -> None:
    said = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}

    console = client.get("/holdfast/", headers=said)
    wrong = client.post("/login/", {}, headers=said)
    refused = client.post("/lead/leads/", {}, content_type="application/json", headers=said)

    assert '<html lang="de">' in console.content.decode()
    assert "Accept-Language" in console["Vary"]
    assert "This field is required." in wrong.content.decode()
    assert refused.json() == {"phone": ["This field is required."]}
    french = client.get("/holdfast/", headers={"Accept-Language": "fr"})
    assert '<html lang="en' in french.content.decode()
