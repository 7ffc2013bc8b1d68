"""Secrets by name are in no worker's log, no event, and nowhere the command shows a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from holdfast.ledger.models import Payload
from tests.eventually import eventually
from tests.harness import Site, new_site
from tests.listening import hearing
from tests.project import secrets

CARD, IBAN, TOKEN, PASSWORD = "4111-1111", "DE02-1203", "token-0815", "swordfish"
SECRETS = (CARD, IBAN, TOKEN, PASSWORD)


@pytest.fixture(
    scope="module",
    params=[("sqlite", "threads"), ("postgres", "prefork")],
    ids="-".join,
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    kind, pool = request.param
    with new_site(kind, request) as site:
        site.worker(f"--include={secrets.__name__}", "-E", pool=pool, loglevel="DEBUG")
        yield site


@pytest.fixture
def heard(site: Site) -> Iterator[list[dict[str, Any]]]:
    with hearing(site) as found:
        yield found


@pytest.mark.short_on("sqlite")
def test_secrets_are_in_no_log_no_event_and_no_command(
    site: Site, heard: list[dict[str, Any]]
) -> None:
    pay, sign_in = site.app.tasks[secrets.pay.name], site.app.tasks[secrets.sign_in.name]
    sent = pay.delay(CARD, 5, iban=IBAN, nested=[{"token": TOKEN}], note="to be seen")
    (many,) = pay.apply_many([((CARD, 6), {"iban": IBAN})])
    sign_in.apply_async(("ada",), {"password": PASSWORD, "note": "plain"})

    assert sent.get(timeout=60)["card_number"] == CARD
    assert many.get(timeout=60)["iban"] == IBAN
    log = site.workers[0].log
    eventually(lambda: log.read_text().count(" succeeded in ") == 3, told="all are in the log")
    eventually(
        lambda: len([said for said in heard if said["type"] == "task-succeeded"]) == 3,
        told="all successes are heard",
    )

    text = log.read_text()
    assert "to be seen" in text
    assert "********" in text
    events = json.dumps(heard, default=str)
    assert "to be seen" in events
    shown = site.django("holdfast", "jobs", "show", sent.id)
    assert "to be seen" in shown
    recorded = Payload.objects.using(site.alias).get(job=sent.id).headers
    assert "to be seen" in recorded
    for secret in SECRETS:
        assert secret not in text
        assert secret not in events
        assert secret not in recorded
        assert secret not in shown
