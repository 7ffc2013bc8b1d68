"""Leads on real workers, a real Redis and gateways that misbehave: each message arrives once, whatever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.testing.postgres_server import PostgresServer
from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.jost_site import ROOT, JostSite
from tests.outside import Outside

pytestmark = pytest.mark.slow

LEADS = 16
IMPORTS = (
    "from datetime import timedelta; from django.utils import timezone;"
    "from jost.leads import tasks;"
    "from jost.leads.models import Followup, FollowupRule, Lead"
)
STALLED = (
    "FollowupRule.objects.create(status='submitted', delay=30, text='Still there?').pk,"
    "Lead.objects.bulk_create(Lead(phone=f'+4930{number:07}', status='submitted',"
    f" status_since=timezone.now() - timedelta(hours=1)) for number in range({LEADS})) and 0"
)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_stalled_lead_gets_one_message_whoever_is_killed_and_whatever_the_gateway_does(
    database: str, private_directory: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database("leads")
    with (
        RedisServer(private_directory) as redis,
        Outside(tmp_path) as outside,
        JostSite(tmp_path, redis_url=redis.url, gateways_url=outside.url, database_url=url) as site,
    ):
        outside.tell(
            "sms", delay_seconds=0.05, too_many=0.1, retry_after=1, fails=0.05, loses_answer=0.2
        )
        site.ask(f"[{STALLED}]", imports=IMPORTS)
        first = site.worker()
        site.worker()
        site.ask("[tasks.collect_followups.delay().id for _ in range(2)]", imports=IMPORTS)
        eventually(lambda: outside.totals("sms")["effects"] >= LEADS // 3, told="some are sent")

        first.kill()

        sent = "Followup.objects.filter(state='sent').count()"
        eventually(lambda: site.ask(sent, imports=IMPORTS) == LEADS, told="all are sent", every=0.5)
        totals = outside.totals("sms")
        assert (totals["effects"], totals["keys"], totals["twice"]) == (LEADS, LEADS, 0)
        assert totals["lost"] > 0


def test_command_of_the_reference_passes_under_djangos_own_runner(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "test", "lead"],
        cwd=ROOT,
        env=environment | {"JOST_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "OK" in done.stderr
