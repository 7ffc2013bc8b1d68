"""Leads on real workers, a real Redis and gateways that misbehave: each message arrives once, whatever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
import requests

from holdfast.testing.postgres_server import PostgresServer
from tests.eventually import eventually
from tests.jost_site import JostSite, jost_and_gateways
from tests.processes import ROOT

pytestmark = pytest.mark.slow

LEADS = 16
IMPORTS = (
    "from datetime import timedelta; from django.utils import timezone;"
    "import holdfast; from jost.leads import services, tasks;"
    "from jost.leads.models import Followup, FollowupRule, Lead"
)
RULE = "FollowupRule.objects.create(status='submitted', delay=30, text='Still there?').pk"


def stalled(*, first: int) -> str:
    """An expression that adds so many leads, from this number on, and is 0."""
    return (
        "Lead.objects.bulk_create(Lead(phone=f'+4930{number:07}', status='submitted',"
        " status_since=timezone.now() - timedelta(hours=1))"
        f" for number in range({first}, {first + LEADS})) and 0"
    )


@pytest.mark.short_on("sqlite")
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_stalled_lead_gets_one_message_whoever_is_killed_and_whatever_the_gateway_does(
    database: str, private_directory: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.create_database("leads")
    with jost_and_gateways(tmp_path, redis=private_directory, database_url=url) as (site, outside):
        outside.tell(
            "sms", delay_seconds=0.05, too_many=0.1, retry_after=1, fails=0.05, loses_answer=0.2
        )
        site.ask(f"[{RULE}, {stalled(first=0)}]", imports=IMPORTS)
        first = site.worker()
        site.worker()
        site.ask("[tasks.collect_followups.delay().id for _ in range(2)]", imports=IMPORTS)
        eventually(lambda: outside.totals("sms")["effects"] >= LEADS // 3, told="some are sent")

        first.kill()

        eventually(lambda: outside.totals("sms")["effects"] >= LEADS, told="all have arrived")
        sent = "Followup.objects.filter(state='sent').count()"
        eventually(lambda: site.ask(sent, imports=IMPORTS) == LEADS, told="all are sent", every=1)
        totals = outside.totals("sms")
        assert (totals["effects"], totals["keys"], totals["twice"]) == (LEADS, LEADS, 0)
        assert totals["lost"] > 0


def test_gateway_that_is_too_slow_and_dies_after_accepting_sends_no_message_again(
    private_directory: Path, tmp_path: Path
) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        site.environment["JOST_GATEWAY_SECONDS"] = "0.5"
        outside.tell("sms", answer_seconds=1)
        site.ask(f"[{RULE}, {stalled(first=0)}]", imports=IMPORTS)
        site.worker()
        site.ask("tasks.collect_followups.delay().id", imports=IMPORTS)
        eventually(lambda: outside.totals("sms")["effects"] >= LEADS // 4, told="some are sent")

        outside.tell("sms", answer_seconds=0, dies=1)
        outside.await_death()
        outside.start()

        eventually(lambda: outside.totals("sms")["effects"] >= LEADS, told="all have arrived")
        sent = "Followup.objects.filter(state='sent').count()"
        eventually(lambda: site.ask(sent, imports=IMPORTS) == LEADS, told="all are sent", every=1)
        totals = outside.totals("sms")
        assert (totals["effects"], totals["keys"], totals["twice"]) == (LEADS, LEADS, 0)
        assert totals["died"] > 0


def test_collection_of_a_killed_worker_is_taken_over_within_the_timeout_of_its_lock(
    postgres_server: PostgresServer, private_directory: Path, tmp_path: Path
) -> None:
    url = postgres_server.create_database("stale_lock")
    stuck = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    with jost_and_gateways(tmp_path, redis=private_directory, database_url=url) as (site, outside):
        site.ask(f"[{RULE}, {stalled(first=0)}]", imports=IMPORTS)
        first = site.worker()
        with psycopg.connect(url) as somebody:
            # The rules are what a collection reads first: it stands there.
            somebody.execute("LOCK TABLE lead_followuprule")
            collect = "tasks.collect_followups.delay().id"
            held = site.ask(collect, imports=IMPORTS)
            eventually(lambda: int(postgres_server.execute(stuck)) == 1, told="it is at work")
            site.worker()
            assert site.ask(collect, imports=IMPORTS) == held

            first.kill()

            # PostgreSQL notices only later that nobody listens to the first.
            bound = float(site.environment["TASK_LOCK_TIMEOUT"])
            eventually(
                lambda: int(postgres_server.execute(stuck)) == 2, within=bound, told="a second one"
            )
        eventually(lambda: outside.totals("sms")["effects"] >= LEADS, told="all have arrived")
        totals = outside.totals("sms")
        assert (totals["effects"], totals["keys"]) == (LEADS, LEADS)


def test_two_schedulers_of_which_one_is_killed_write_to_each_lead_once(
    private_directory: Path, tmp_path: Path
) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        site.environment["DJANGO_SETTINGS_MODULE"] = "tests.hurried_jost"
        site.ask(f"[{RULE}, {stalled(first=0)}]", imports=IMPORTS)
        site.worker()
        first, _ = site.scheduler("first"), site.scheduler("second")
        eventually(lambda: outside.totals("sms")["effects"] == LEADS, told="all are written to")

        first.kill()
        site.ask(stalled(first=LEADS), imports=IMPORTS)

        eventually(lambda: outside.totals("sms")["effects"] >= 2 * LEADS, told="the others, too")
        assert outside.totals("sms") == {
            "effects": 2 * LEADS,
            "keys": 2 * LEADS,
            "twice": 0,
            "accepted": 2 * LEADS,
        }


def test_crm_is_told_no_faster_than_it_takes_it_from_all_workers(
    private_directory: Path, tmp_path: Path
) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        site.worker()
        site.worker()
        slower = "holdfast.limits.set('crm', rate='5/s', burst=1, actor='ada') and 0"
        added = f"[services.add_lead(f'+4930{{n:07}}').pk for n in range({LEADS})]"
        site.ask(f"[{slower}, {added}]", imports=IMPORTS)

        eventually(lambda: outside.totals("crm")["effects"] == LEADS, told="it knows all")

        told = sorted(datetime.fromisoformat(effect["at"]) for effect in outside.effects("crm"))
        # At any time one more than the rate allows, and another at each edge.
        assert (told[-1] - told[0]).total_seconds() >= (LEADS - 3) / 5 - 0.5


def test_request_of_a_move_is_named_to_the_gateway(private_directory: Path, tmp_path: Path) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        site.worker()
        web = site.web()
        headers = {"X-Request-ID": "move-of-ada"}
        lead = requests.post(f"{web}/lead/leads/", json={"phone": "+4930123"}, timeout=20).json()

        moved = requests.post(
            f"{web}/lead/lead_event_create/",
            json={"lead": lead["id"], "status": "paid"},
            headers=headers,
            timeout=20,
        )

        assert moved.status_code == 201, moved.text
        eventually(lambda: outside.totals("crm")["effects"] == 2, told="the CRM knows")
        by_key = {each["key"]: each["request"] for each in outside.effects("crm")}
        assert by_key[f"lead-event:{moved.json()['id']}"] == "move-of-ada"


# Two thousand of many have stalled, most of them have their message.
CROWD = """
INSERT INTO lead_lead (phone, status, status_since, created_at)
    SELECT '+49' || (3000000000 + n),
        (CASE WHEN n % 1000 = 0 THEN 'submitted' WHEN n % 3 = 0 THEN 'paid' ELSE 'lost' END),
        now() - interval '2 hours' - n * interval '1 second', now()
    FROM generate_series(1, 200000) n;
INSERT INTO lead_followuprule (status, delay, text, enabled) VALUES ('submitted', 30, 'Hello?', true);
INSERT INTO lead_followup (lead_id, rule_id, stay, state, created_at)
    SELECT id, (SELECT max(id) FROM lead_followuprule), status_since - interval '3 days', 'sent',
        now() - interval '3 days' FROM lead_lead;
INSERT INTO lead_followup (lead_id, rule_id, stay, state, created_at)
    SELECT id, (SELECT max(id) FROM lead_followuprule), status_since, 'sent', now()
    FROM lead_lead WHERE status = 'submitted' AND id % 5000 > 0;
ANALYZE;
"""


def test_collection_among_many_leads_reads_no_table_whole(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = "many_leads"
    url = postgres_server.create_database(name)
    with JostSite(tmp_path, redis_url="memory://", database_url=url) as site:
        postgres_server.execute(CROWD, database=name)
        imports = (
            "from jost.leads import followups; from jost.leads.models import Followup;"
            "from tests.explained import tables_read_whole"
        )

        whole, waiting = site.ask(
            "[tables_read_whole('default', followups.collect),"
            " Followup.objects.filter(state='waiting').count()]",
            imports=imports,
        )

        assert (whole, waiting) == ([], 40)


@pytest.mark.parametrize("stage", ["development", "production"])
def test_command_of_the_reference_passes_under_djangos_own_runner(
    stage: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "test", "lead"],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": f"jost.settings.{stage}",
            "JOST_DATA_DIR": str(tmp_path),
            "API_HOST": "localhost",
            "DJANGO_SECRET_KEY": "of this test alone, and long enough for a deployment",
            "CELERY_BROKER_URL": "memory://",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "OK" in done.stderr
