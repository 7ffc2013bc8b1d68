"""Who may see and change what: strangers nothing, users their own, staff everything; over every operation and page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern
from rest_framework.authtoken.models import Token

from holdfast.testing import HoldfastJobs
from jost.imports import urls as imports
from jost.orders import urls as orders
from jost.reports import urls as reports
from jost.simulations import urls as simulations
from tests.belongings import address, belongings, everything, operations, shared

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pretending")]

# Where somebody begins who has no account yet.
OPEN = {"/api/token/", "/api/accounts/", "/api/accounts/activate/"}
SAFE = {"get"}
OWNED_PAGES = {
    "/simulations/": simulations,
    "/orders/": orders,
    "/imports/": imports,
    "/reports/": reports,
}


@pytest.fixture(autouse=True)
def closed(settings: Any, tmp_path: Path) -> None:
    """JOST as it is deployed."""
    settings.JOST_LOGIN = True
    settings.MEDIA_ROOT = tmp_path


def user(name: str, **more: Any) -> User:
    return User.objects.create_user(name, password="counts by hand", **more)


def client_of(name: str, **more: Any) -> Client:
    client = Client()
    client.force_login(user(name, **more))
    return client


@pytest.fixture
def ada() -> User:
    return user("ada")


@pytest.fixture
def things(ada: User, holdfast_jobs: HoldfastJobs) -> dict[str, Any]:
    """What is Ada's, and what is everybody's."""
    return belongings(ada, jobs=holdfast_jobs) | shared()


def asked(client: Client, method: str, path: str, **headers: Any) -> Any:
    body = {"no such field": 1} if method != "get" else None
    return getattr(client, method)(path, body, content_type="application/json", headers=headers)


def test_stranger_is_told_to_sign_in_by_every_operation_and_changes_nothing(
    client: Client, things: dict[str, Any]
) -> None:
    before = everything()

    for method, path in operations():
        answer = asked(client, method, address(path, things))
        assert path in OPEN or answer.status_code == 401, (method, path)
        assert answer.status_code in {400, 401}, (method, path)

    assert everything() == before


def test_token_that_is_none_is_refused_by_every_operation(
    client: Client, things: dict[str, Any]
) -> None:
    before = everything()

    for method, path in operations():
        answer = asked(client, method, address(path, things), Authorization="Token guessed")
        assert answer.status_code == 401, (method, path)
        assert answer["WWW-Authenticate"] == "Token", (method, path)

    assert everything() == before


def test_token_and_session_open_every_operation(ada: User, things: dict[str, Any]) -> None:
    token = Token.objects.create(user=ada).key
    signed_in = Client(enforce_csrf_checks=True)
    signed_in.force_login(ada)
    csrf = signed_in.get("/orders/").cookies["csrftoken"].value

    for method, path in operations():
        if method == "delete":
            continue  # whatever comes after it would miss it
        place = address(path, things)
        by_token = asked(
            Client(enforce_csrf_checks=True), method, place, Authorization=f"Token {token}"
        )
        by_session = asked(signed_in, method, place, **{"X-CSRFToken": csrf})
        assert by_token.status_code not in {401, 403, 404}, (method, path)
        assert by_session.status_code not in {401, 403, 404}, (method, path)


def test_session_alone_changes_nothing_without_its_csrf_token(
    ada: User, things: dict[str, Any]
) -> None:
    signed_in = Client(enforce_csrf_checks=True)
    signed_in.force_login(ada)
    before = everything()

    for method, path in operations():
        answer = asked(signed_in, method, address(path, things))
        assert (answer.status_code == 403) == (method not in SAFE), (method, path)

    assert everything() == before


def test_what_is_somebody_elses_is_not_found_by_any_operation(things: dict[str, Any]) -> None:
    bob, staff = client_of("bob"), client_of("chris", is_staff=True)
    everybodys = shared_paths(things)
    seen = 0
    for method, path in operations():
        place = address(path, things)
        if place == path or path.startswith(everybodys):
            continue
        before = everything()
        assert asked(bob, method, place).status_code == 404, (method, path)
        assert everything() == before, (method, path)
        assert asked(staff, method, place).status_code != 404, (method, path)
        seen += 1
    assert seen >= 20


def test_lists_hold_ones_own_alone_and_those_of_staff_everything(
    ada: User, things: dict[str, Any]
) -> None:
    mine = Client()
    mine.force_login(ada)
    bob, staff = client_of("bob"), client_of("chris", is_staff=True)
    owned = {path.partition("{")[0] for path in things} - {"/api/reports/files/"}
    everybodys = {path.partition("{")[0] for path in shared_paths(things)}

    for path in owned - everybodys:
        counts = [client.get(path).json()["count"] for client in (mine, bob, staff)]
        assert counts[0] > 0, path
        assert counts == [counts[0], 0, counts[0]], path


def test_page_of_what_is_somebody_elses_is_not_found_and_its_buttons_do_nothing(
    things: dict[str, Any],
) -> None:
    bob, staff = client_of("bob"), client_of("chris", is_staff=True)
    before = everything()
    pages = list(owned_pages(things))
    for page in pages:
        for method in ("get", "post"):
            assert getattr(bob, method)(page).status_code in {404, 405}, (method, page)
    assert everything() == before

    for page in pages:
        statuses = {getattr(staff, method)(page).status_code for method in ("get", "post")}
        assert statuses & {200, 302}, page
    assert len(pages) >= 20


def test_somebody_elses_simulation_is_no_game_to_begin_with_and_stands_beside_no_other(
    things: dict[str, Any],
) -> None:
    bob = client_of("bob")
    theirs = things["/api/simulations/{id}/"]
    before = everything()

    form = {"base_a": f"run:{theirs}", "base_b": "preset:plain-6d", "rounds": "2e3"}
    compared = bob.post("/simulations/studies/compare/", form)
    swept = bob.post(
        "/simulations/studies/sweep/",
        {"base": f"run:{theirs}", "key": "decks", "values": "1, 2", "rounds": "2e3"},
    )
    side_by_side = bob.get(f"/simulations/compare/?run={theirs}")
    copied = bob.get(f"/simulations/new/?from={theirs}")
    study = things["/api/simulations/studies/{id}/"]
    filtered = bob.get(f"/api/simulations/?study={study}")

    assert (compared.status_code, swept.status_code) == (422, 422)
    assert "Tick two or more runs" in side_by_side.content.decode()
    assert copied.status_code == 404
    assert filtered.status_code == 400
    assert everything() == before


def test_what_nobody_owns_is_the_staffs(holdfast_jobs: HoldfastJobs) -> None:
    things = belongings(None, jobs=holdfast_jobs)
    bob, staff = client_of("bob"), client_of("chris", is_staff=True)

    for path in things:
        assert bob.get(address(path, things)).status_code == 404, path
        assert staff.get(address(path, things)).status_code == 200, path


def shared_paths(things: dict[str, Any]) -> tuple[str, ...]:
    return tuple(path for path in things if path.startswith(("/lead/", "/api/orders/products/")))


def owned_pages(things: dict[str, Any]) -> Iterator[str]:
    """The address of every page of one thing, as its app has them."""
    for prefix, urls in OWNED_PAGES.items():
        for pattern in urls.urlpatterns:
            if isinstance(pattern, URLPattern) and "<" in str(pattern.pattern):
                yield prefix + page_of(str(pattern.pattern), prefix, things)


def page_of(route: str, prefix: str, things: dict[str, Any]) -> str:
    numbers = {
        "<uuid:study_id>": things["/api/simulations/studies/{id}/"],
        "<uuid:simulation_id>": things["/api/simulations/{id}/"],
        "<int:number>": things.get(f"/api{prefix}{{id}}/"),
        "<str:token>": things["/api/reports/files/{token}/"],
        "<str:kind>": "json",
    }
    for place, number in numbers.items():
        route = route.replace(place, str(number))
    assert "<" not in route, f"{prefix}{route}: say here whose it is"
    return route
