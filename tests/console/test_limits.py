"""The console's limits: how full they are, who is in and who waits, and who may change them to what."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

import holdfast.limits
from holdfast.console import limits as views
from holdfast.ledger import audit
from holdfast.ledger.records import Use
from tests.limited import admit, bound, run, wait
from tests.rows import hire

ROOT = "/holdfast/"


@pytest.fixture
def worker(console: str) -> UUID:
    return hire()


@pytest.fixture
def line(worker: UUID) -> UUID:
    """A limit that is full, with one who runs and one who waits."""
    bound("shop/exports", concurrency=1)
    for number in range(2):
        wait(f"job-{number}", Use("shop/exports", "customer-7"))
    (first,) = admit("shop/exports")
    run(worker, first)
    return worker


def change(client: Client, **asked: Any) -> Any:
    return client.post(f"{ROOT}api/limits/shop/exports/change/", asked)


def test_limits_are_shown_with_who_is_in_and_who_waits(line: UUID, viewer: Client) -> None:
    (row,) = viewer.get(f"{ROOT}api/limits/").json()["limits"]
    assert (row["name"], row["taken"], row["waiting"]) == ("shop/exports", 1, 1)
    assert (row["bounds"]["concurrency"], row["is_full"], row["is_set"]) == (1, True, False)
    page = viewer.get(f"{ROOT}api/limits/shop/exports/").json()
    (holder,) = page["holders"]
    assert (holder["job"], holder["key"], holder["state"]) == ("job-0", "customer-7", "running")
    assert holder["worker"] == str(line)
    (waiting,) = page["lines"]
    assert (waiting["key"], waiting["waiting"]) == ("customer-7", 1)
    assert [one["job"] for one in waiting["first"]] == ["job-1"]
    html = viewer.get(f"{ROOT}limits/shop/exports/").content.decode()
    assert "<h1>Limit shop/exports</h1>" in html
    assert "job-0" in html
    assert "job-1" in html
    assert f'href="{ROOT}workers/{line}/"' in html
    assert "/change/" not in html
    assert f'href="{ROOT}limits/shop/exports/"' in viewer.get(f"{ROOT}limits/").content.decode()


def test_limit_that_is_not_there_is_not_found(console: str, viewer: Client) -> None:
    assert viewer.get(f"{ROOT}limits/nothing/").status_code == 404
    assert b"There is no limit." in viewer.get(f"{ROOT}limits/").content


def test_administrator_changes_a_limit_and_puts_it_back(
    line: UUID, operator: Client, administrator: Client
) -> None:
    address = f"{ROOT}limits/shop/exports/"
    assert operator.post(f"{address}change/", {"concurrency": 5}).status_code == 403
    form = administrator.get(f"{address}change/").context["form"].initial
    assert (form["concurrency"], form["was"]) == (1, '{"concurrency": 1}')
    done = administrator.post(
        f"{address}change/", {"concurrency": 5, "rate": "100/m", "burst": 7, "was": form["was"]}
    )
    assert (done.status_code, done["Location"]) == (303, address)
    held = holdfast.limits.get("shop/exports")
    assert (held.bounds.concurrency, held.bounds.rate, held.bounds.burst) == (5, "100/m", 7)
    assert held.is_set
    html = administrator.get(address).content.decode()
    assert "The code says" in html
    assert f"{address}reset/" in html
    assert administrator.post(f"{address}reset/").status_code == 303
    assert not holdfast.limits.get("shop/exports").is_set
    said = [(line.action, line.actor, line.detail) for line in audit.search(limit=2)]
    assert said == [
        ("limit", "administer@test", "shop/exports: as the code says"),
        (
            "limit",
            "administer@test",
            'shop/exports: {"burst": 7, "concurrency": 5, "rate": "100/m"}',
        ),
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rate": "fast"}, "'fast' is no rate"),
        ({"burst": 5}, "a burst of 5 and no rate"),
        ({"concurrency": 0}, "greater than or equal to 1"),
        ({"per_key": "x"}, "Enter a whole number"),
    ],
)
def test_bounds_that_cannot_be_kept_change_nothing(
    line: UUID, administrator: Client, asked: dict[str, Any], said: str
) -> None:
    refused = change(administrator, **asked)
    assert refused.status_code == 422
    assert said in refused.json()["error"]["message"]
    assert holdfast.limits.get("shop/exports").bounds.concurrency == 1
    page = administrator.post(f"{ROOT}limits/shop/exports/change/", asked)
    assert page.status_code == 422
    assert b'role="alert"' in page.content


def test_limit_that_was_changed_meanwhile_is_left_as_it_is(
    line: UUID, administrator: Client
) -> None:
    holdfast.limits.set("shop/exports", concurrency=3)
    refused = change(administrator, concurrency=9, was='{"concurrency": 1}')
    assert refused.status_code == 409
    assert "was changed since you looked" in refused.json()["error"]["message"]
    assert holdfast.limits.get("shop/exports").bounds.concurrency == 3
    assert change(administrator, concurrency=9).status_code == 200, "who does not say is believed"


def test_read_only_console_changes_nothing(line: UUID, administrator: Client) -> None:
    with override_settings(HOLDFAST={**settings.HOLDFAST, "console_read_only": True}):
        assert change(administrator, concurrency=9).status_code == 403
    assert not holdfast.limits.get("shop/exports").is_set


def test_limits_are_shown_in_pages_at_a_fixed_cost(
    console: str, viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connections[console]) as queries:
            assert viewer.get(f"{ROOT}limits/").status_code == 200
        return len(queries)

    monkeypatch.setattr(views, "PAGE", 4)
    bound("l0", rate="1/h")
    one = asked()
    for number in range(1, 9):
        bound(f"l{number}", concurrency=1)
        for job in range(3):
            wait(f"job-{number}-{job}", Use(f"l{number}"))
    assert asked() == one
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = viewer.get(f"{ROOT}api/limits/", {"after": after}).json()
        names += [row["name"] for row in page["limits"]]
        after = page["after"]
    assert names == [f"l{number}" for number in range(9)]


def test_job_that_waits_at_a_limit_leads_to_it(line: UUID, viewer: Client) -> None:
    html = viewer.get(f"{ROOT}jobs/job-1/").content.decode()
    assert f'href="{ROOT}limits/shop/exports/"' in html
    html = viewer.get(f"{ROOT}jobs/job-0/").content.decode()
    assert f'href="{ROOT}workers/{line}/"' in html
    assert f'href="{ROOT}queues/q/"' in html
