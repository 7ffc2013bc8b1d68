"""Reports on real workers: one that is killed leaves its months, and who comes next goes on behind them."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from holdfast.testing.services import RedisServer
from tests.eventually import eventually
from tests.jost_site import JostSite, jost_and_gateways

pytestmark = [pytest.mark.slow, pytest.mark.short_on("postgres")]

IMPORTS = (
    "import holdfast; from datetime import timedelta; from django.contrib.auth.models import User;"
    "from django.utils import timezone;"
    "from jost.reports import figures; from jost.reports.models import Report, ReportLine;"
    "from jost.reports.periods import last_year"
)
YEAR = "last_year(today=timezone.localdate())"
BOSS = "User.objects.create_user('boss', email='boss@example.com', is_staff=True).pk"
DAY = "timezone.localdate() - timedelta(days=4)"
LAST = f"Report.objects.create(day={DAY}, since={DAY}, until={DAY}, parts=1, state='succeeded').pk"
DUE = (
    "[str(each.last_due_at) for each in holdfast.schedules() if each.task == 'jost.reports.daily']"
)
DAILY = "list(Report.objects.filter(day__isnull=False).values_list('state', flat=True))"


def test_report_goes_on_at_its_checkpoint_when_its_worker_is_killed(
    database_url: str, private_directory: Path, tmp_path: Path
) -> None:
    with (
        RedisServer(private_directory) as redis,
        JostSite(tmp_path, redis_url=redis.url, database_url=database_url) as site,
    ):
        site.manage("seed_sales", "--rows", "4000", "--verbosity", "0")
        web = site.web()
        since, until = site.ask(f"[str({YEAR}.since), str({YEAR}.until)]", imports=IMPORTS)
        body = {"since": since, "until": until}
        asked = requests.post(f"{web}/api/reports/", json=body, timeout=60)
        assert asked.status_code == 202, asked.text
        address = asked.json()["url"]

        def look() -> dict[str, object]:
            found: dict[str, object] = requests.get(address, timeout=60).json()
            return found

        assert (look()["state"], look()["parts_done"]) == ("queued", 0)
        site.environment["DJANGO_SETTINGS_MODULE"] = "tests.slow_months"
        victim = site.worker()
        eventually(lambda: int(str(look()["parts_done"])) >= 2, told="some months are added up")
        victim.kill()
        done = int(str(look()["parts_done"]))
        assert done < 12

        site.environment["DJANGO_SETTINGS_MODULE"] = "jost.settings.test"
        site.worker()
        eventually(lambda: look()["state"] == "succeeded", told="the report is made", every=0.2)

        told = "list(ReportLine.objects.values_list('region', 'category', 'sales', 'cents'))"
        again = f"[(x.region, x.category, x.sales, x.cents) for x in figures.all_lines({YEAR})]"
        assert site.ask(told, imports=IMPORTS) == site.ask(again, imports=IMPORTS)


def test_days_that_were_missed_have_one_report_and_one_mail_each_with_two_schedulers(
    private_directory: Path, tmp_path: Path
) -> None:
    with jost_and_gateways(tmp_path, redis=private_directory) as (site, outside):
        site.manage("seed_sales", "--rows", "100", "--verbosity", "0")
        site.ask(f"[{BOSS}, {LAST}]", imports=IMPORTS)
        # Every schedule is due twice a second.
        site.environment["DJANGO_SETTINGS_MODULE"] = "tests.hurried_jost"
        site.worker()
        site.scheduler("first"), site.scheduler("second")

        eventually(lambda: outside.totals("mail")["effects"] >= 3, told="three days are told")
        before = site.ask(DUE, imports=IMPORTS)
        eventually(lambda: site.ask(DUE, imports=IMPORTS) > before, told="they were due again")

        told = outside.totals("mail")
        assert (told["effects"], told["keys"], told["twice"]) == (3, 3, 0)
        assert site.ask(DAILY, imports=IMPORTS) == ["succeeded"] * 4
