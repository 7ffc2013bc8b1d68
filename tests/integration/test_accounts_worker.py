"""Sign-ups on real workers and a mail gateway that misbehaves: one mail each, with the id of its request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.testing.postgres_server import PostgresServer
from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.jost_site import JostSite
from tests.outside import Outside
from tests.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.short_on("sqlite")]

IMPORTS = (
    "from datetime import timedelta; from django.test import Client;"
    "from jost.accounts import mails, services, tasks; from jost.accounts.models import Mail"
)
UNSENT = "Mail.objects.filter(sent_at=None).count()"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database(f"accounts_{request.node.name.partition('[')[0][-30:]}")


@contextmanager
def door(directory: Path, redis: Path, database_url: str) -> Iterator[tuple[JostSite, Outside]]:
    with (
        RedisServer(redis) as server,
        Outside(directory) as outside,
        JostSite(
            directory, redis_url=server.url, gateways_url=outside.url, database_url=database_url
        ) as site,
    ):
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


def test_tests_of_the_app_pass_under_djangos_own_runner(tmp_path: Path) -> None:
    left = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "manage.py", "test", "accounts"],
        cwd=ROOT,
        env=left | {"JOST_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
