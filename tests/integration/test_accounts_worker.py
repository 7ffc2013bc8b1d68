"""Sign-ups on real workers and a mail gateway that misbehaves: one mail each, with the id of its request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.jost_site import JostSite, jost_and_gateways
from tests.outside import Outside

pytestmark = [pytest.mark.slow, pytest.mark.short_on("sqlite")]

IMPORTS = (
    "from datetime import timedelta; from django.test import Client;"
    "from jost.accounts import mails, services, tasks; from jost.accounts.models import Mail"
)
UNSENT = "Mail.objects.filter(sent_at=None).count()"


@contextmanager
def door(directory: Path, redis: Path, database_url: str) -> Iterator[tuple[JostSite, Outside]]:
    with jost_and_gateways(directory, redis=redis, database_url=database_url) as (site, outside):
        site.environment |= {
            "LOG_FORMAT": "json",
            "LOG_FILE": str(directory / "jost.log"),
        }
        yield site, outside


def sign_up(site: JostSite, email: str, *, correlation: str) -> None:
    """Ask as a browser does, through all of the middleware."""
    header = {"X-Correlation-ID": correlation}
    asked = f"Client(headers={header!r}).post('/accounts/sign-up/', {{'email': {email!r}}})"
    assert site.ask(f"{asked}.status_code", imports=IMPORTS) == 302


def all_are_sent(site: JostSite) -> None:
    eventually(lambda: site.ask(UNSENT, imports=IMPORTS) == 0, told="all mails are sent", every=0.3)


def test_id_of_a_request_is_in_the_mail_and_in_the_lines_of_its_job(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with door(tmp_path, private_directory, database_url) as (site, outside):
        sign_up(site, "ada@example.com", correlation="request-4711")
        site.worker()
        all_are_sent(site)

        (arrived,) = outside.effects("mail")
        assert arrived["content"]["headers"] == {"X-Correlation-ID": "request-4711"}
        lines = map(json.loads, (tmp_path / "jost.log").read_text().splitlines())
        (line,) = [line for line in lines if line["message"] == f"Sent {arrived['key']}."]
        assert line["correlation"] == "request-4711"
        assert line["task"] == "jost.accounts.send_mail"


def test_worker_killed_between_mail_and_flag_sends_one_mail(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with door(tmp_path, private_directory, database_url) as (site, outside):
        # The mail is in the record, and its answer does not come before the kill.
        outside.tell("mail", answer_seconds=30)
        victim = site.worker()
        sign_up(site, "ada@example.com", correlation="killed")
        eventually(lambda: outside.totals("mail")["effects"] == 1, told="mailed")
        victim.kill()
        outside.tell("mail", answer_seconds=0)
        # Whoever looks for unsent mails meanwhile makes no second one.
        site.ask("tasks.find_unsent.delay().id", imports=IMPORTS)

        site.worker()
        all_are_sent(site)

        totals = outside.totals("mail")
        assert (totals["effects"], totals["twice"]) == (1, 0)
