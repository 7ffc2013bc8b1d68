"""Reports in the test's own process: `manage.py test reports` runs this file."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import User
from django.core import mail, signing
from django.core.management import call_command
from django.db import OperationalError
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

import holdfast
from holdfast.testing import HoldfastJobsMixin, faults
from jost.reports import daily, figures, files, making, tasks
from jost.reports.links import LINK_LASTS
from jost.reports.models import Category, Region, Report, ReportFile, Sale
from jost.reports.periods import Period, PeriodError, last_year, period

QUARTER = Period(since=date(2026, 1, 15), until=date(2026, 3, 31))


def sold(day: date, *, region: Region = Region.ASIA, customer: int = 1, cents: int = 250) -> Sale:
    return Sale.objects.create(
        sold_on=day,
        region=region,
        category=Category.BOOKS,
        customer=customer,
        quantity=2,
        amount_cents=cents,
    )


class Periods(SimpleTestCase):
    def test_parts_are_months_and_leave_no_day_out(self) -> None:
        parts = QUARTER.parts()

        self.assertEqual(
            [(part.since, part.until) for part in parts],
            [
                (date(2026, 1, 15), date(2026, 1, 31)),
                (date(2026, 2, 1), date(2026, 2, 28)),
                (date(2026, 3, 1), date(2026, 3, 31)),
            ],
        )

    def test_last_month_that_is_taken_is_one_part(self) -> None:
        month = {"since": date(9998, 12, 1), "until": date(9998, 12, 31)}
        self.assertEqual(period(**month).parts(), [Period(**month)])

    def test_one_day_is_one_part(self) -> None:
        day = Period(since=date(2026, 12, 31), until=date(2026, 12, 31))
        self.assertEqual(day.parts(), [day])

    def test_last_year_has_twelve_parts(self) -> None:
        for today in (date(2026, 1, 31), date(2026, 11, 22), date(2024, 2, 29)):
            self.assertEqual(len(last_year(today=today).parts()), 12)

    def test_what_is_no_period_is_refused(self) -> None:
        for since, until in (
            (date(2026, 2, 1), date(2026, 1, 31)),
            (date(2020, 1, 1), date(2025, 1, 1)),
            (date.max, date.max),
            (date(9999, 12, 1), date(9999, 12, 30)),
        ):
            with self.assertRaises(PeriodError):
                period(since=since, until=until)


class ReportCase(HoldfastJobsMixin, TestCase):
    def setUp(self) -> None:
        super().setUp()
        sold(date(2026, 1, 14))  # the day before
        sold(date(2026, 1, 15), customer=1)
        sold(date(2026, 1, 31), customer=1)
        sold(date(2026, 1, 31), customer=2, region=Region.EUROPE, cents=99)
        sold(date(2026, 3, 31), customer=3)
        sold(date(2026, 4, 1))  # the day after

    def drain(self, **how: Any) -> None:
        self.holdfast_jobs.drain(**how)

    def made(self, **more: Any) -> Report:
        report = making.ask(QUARTER, **more)
        self.drain()
        report.refresh_from_db()
        return report

    def lines(self, report: Report) -> list[tuple[str, str, int, int, int]]:
        return [
            (f"{line.month:%m}", line.region, line.sales, line.cents, line.customers)
            for line in report.lines.all()
        ]


QUARTERS_LINES = [
    ("01", "Asia", 2, 500, 1),
    ("01", "Europe", 1, 99, 1),
    ("03", "Asia", 1, 250, 1),
]


class Making(ReportCase):
    def test_report_is_added_up_by_month_and_written(self) -> None:
        report = self.made()

        self.assertEqual((report.state, report.parts_done, report.parts), ("succeeded", 3, 3))
        self.assertEqual(self.lines(report), QUARTERS_LINES)
        self.assertGreater(report.took or timedelta(0), timedelta(0))
        csv_file, pdf = report.files.all()
        rows = list(csv.DictReader(bytes(csv_file.content).decode().splitlines()))
        self.assertEqual([row["amount"] for row in rows], ["5.00", "0.99", "2.50"])
        self.assertTrue(bytes(pdf.content).startswith(b"%PDF"))

    def test_request_and_jobs_add_up_the_same(self) -> None:
        report = self.made()

        here = figures.all_lines(QUARTER)
        told = [
            (f"{line.month:%m}", line.region, line.sales, line.cents, line.customers)
            for line in here
        ]
        self.assertEqual(told, self.lines(report))
        self.assertEqual(str(figures.in_all(here).amount), "8.49")

    def test_reports_go_behind_everything_else(self) -> None:
        self.made()

        queues = {job.queue for job in self.holdfast_jobs.recorded()}
        self.assertEqual(queues, {"low-priority"})

    def test_worker_that_dies_between_months_adds_each_up_once(self) -> None:
        real, asked = figures.lines_of, []

        def dies_once(month: Period) -> Any:
            asked.append(month.since.month)
            if asked == [1, 2]:
                raise OperationalError("the server closed the connection")
            return real(month)

        with patch.object(figures, "lines_of", dies_once):
            report = making.ask(QUARTER)
            self.drain(skip_waits=True)

        report.refresh_from_db()
        self.assertEqual((report.state, asked), ("succeeded", [1, 2, 2, 3]))
        self.assertEqual(self.lines(report), QUARTERS_LINES)

    def test_any_step_that_dies_is_done_once(self) -> None:
        for task in (tasks.collect, tasks.render):
            with self.subTest(task=task.name), faults.worker_dies(task):
                report = self.made()

                self.assertEqual(report.state, "succeeded")
                self.assertEqual(self.lines(report), QUARTERS_LINES)
                self.assertEqual(report.files.count(), 2)

    def test_report_that_cannot_be_made_says_so_and_its_replay_goes_on(self) -> None:
        with patch.object(files, "to_pdf", side_effect=RuntimeError("no font")):
            report = making.ask(QUARTER)
            self.drain(raise_errors=False)
        report.refresh_from_db()
        self.assertEqual((report.state, report.files.count()), ("failed", 0))
        self.assertIn("could not be made", report.reason)

        (job,) = self.holdfast_jobs.recorded(tasks.render)
        holdfast.replay(job.id)
        self.drain()

        report.refresh_from_db()
        self.assertEqual((report.state, report.reason), ("succeeded", ""))

    def test_report_whose_request_is_rolled_back_is_never_made(self) -> None:
        with (
            patch.object(making, "begin", side_effect=RuntimeError),
            self.assertRaises(RuntimeError),
        ):
            making.ask(QUARTER)

        self.assertEqual(Report.objects.count(), 0)
        self.holdfast_jobs.assert_not_recorded()


class Daily(ReportCase):
    def setUp(self) -> None:
        super().setUp()
        sold(timezone.localdate() - timedelta(days=1), cents=123_456)
        User.objects.create_user("boss", email="boss@example.com", is_staff=True)
        User.objects.create_user("ada", email="ada@example.com")

    def test_day_has_one_report_and_the_staff_one_mail_of_it(self) -> None:
        tasks.report_of_yesterday.delay()
        with faults.worker_dies(tasks.mail_summary):
            self.drain()
        tasks.report_of_yesterday.delay()
        self.drain()

        report = Report.objects.get()
        self.assertEqual((report.state, report.files.count()), ("succeeded", 2))
        (told,) = mail.outbox
        self.assertEqual(told.to, ["boss@example.com"])
        self.assertIn("Asia: 1,234.56", told.body)

    def test_days_that_were_missed_have_their_reports_later(self) -> None:
        yesterday = timezone.localdate() - timedelta(days=1)
        self.assertEqual(daily.ask_for_missing(), 1, "a new site has no past")
        for away, days in ((4, 4), (400, daily.MOST_DAYS)):
            Report.objects.all().delete()
            Report.objects.create(
                day=yesterday - timedelta(days=away), since=yesterday, until=yesterday, parts=1
            )

            self.assertEqual([daily.ask_for_missing(), daily.ask_for_missing()], [days, 0])

            told = Report.objects.order_by("-day").values_list("day", "since", "until")[:days]
            expected = [yesterday - timedelta(days=back) for back in range(days)]
            self.assertEqual(list(told), [(day, day, day) for day in expected])

    def test_summary_does_not_wait_behind_reports(self) -> None:
        tasks.report_of_yesterday.delay()
        self.drain()

        (job,) = self.holdfast_jobs.recorded(tasks.mail_summary)
        self.assertEqual(job.queue, "io")

    def test_schedule_names_tasks_that_there_are(self) -> None:
        told = {
            each.name: (each.task, each.catch_up)
            for each in holdfast.schedules()
            if "report" in each.name
        }
        self.assertEqual(
            told,
            {
                "settle reports": ("jost.reports.settle", "skip"),
                "report of yesterday": ("jost.reports.daily", "last"),
                "clean up reports": ("jost.reports.clean_up", "skip"),
            },
        )

    def test_old_reports_go_with_their_files(self) -> None:
        old, young = self.made(), self.made()
        Report.objects.filter(pk=old.pk).update(asked_at=timezone.now() - timedelta(days=8))

        self.assertEqual([daily.clean_up(), daily.clean_up()], [1, 0])

        self.assertEqual(list(Report.objects.all()), [young])
        self.assertEqual(ReportFile.objects.count(), 2)


class Seed(TestCase):
    def test_sales_are_added_until_there_are_so_many(self) -> None:
        for rows in ("30", "5e1", "20"):
            call_command("seed_sales", rows=float(rows), verbosity=0)

        self.assertEqual(Sale.objects.count(), 50)
        today = timezone.localdate()
        self.assertLess(Sale.objects.latest("sold_on").sold_on, today)


class Faces(ReportCase):
    asked = {"since": "2026-01-15", "until": "2026-03-31"}

    def post(self, address: str, body: dict[str, Any]) -> Any:
        return self.client.post(address, body, content_type="application/json")

    def test_report_is_asked_for_followed_and_taken_away_by_rest(self) -> None:
        accepted = self.post("/api/reports/", self.asked)
        self.assertEqual(accepted.status_code, 202, accepted.content)
        self.assertEqual((accepted.json()["state"], accepted.json()["files"]), ("queued", []))
        self.drain()

        read = self.client.get(accepted["Location"]).json()
        self.assertEqual((read["state"], read["parts_done"]), ("succeeded", 3))
        for link, kind in zip(read["files"], ("text/csv", "application/pdf"), strict=True):
            file = self.client.get(link["url"], headers={"Accept": kind})
            self.assertEqual((file.status_code, file["Content-Type"]), (200, kind))
            self.assertIn("attachment", file["Content-Disposition"])

    def test_report_is_made_while_the_caller_waits(self) -> None:
        made = self.post("/api/reports/now/", self.asked)

        self.assertEqual(
            [line["amount"] for line in made.json()["lines"]], ["5.00", "0.99", "2.50"]
        )
        self.assertEqual(Report.objects.count(), 0)

    def test_wrong_periods_are_refused(self) -> None:
        for address in ("/api/reports/", "/api/reports/now/"):
            backwards = {"since": "2026-02-01", "until": "2026-01-01"}
            for body, field in ((backwards, "until"), ({"since": "2026-02-01"}, "until")):
                answer = self.post(address, body)
                self.assertEqual((answer.status_code, [*answer.json()]), (400, [field]))
        answer = self.client.post("/reports/", backwards)
        self.assertContains(answer, "before the first", status_code=422)

    @override_settings(JOST_LOGIN=True)
    def test_reports_of_others_and_their_files_are_not_found(self) -> None:
        ada, bob = (User.objects.create_user(name, password="x") for name in ("ada", "bob"))
        report = self.made(owner=ada)
        self.client.force_login(ada)
        link = self.client.get(f"/api/reports/{report.pk}/").json()["files"][0]["url"]
        page = self.client.get(f"/reports/{report.pk}/")
        link_of_page = f"/reports/files/{page.context['links'][0][1]}/"
        for address in (link, link_of_page):
            self.assertEqual(self.client.get(address).status_code, 200)

        self.client.force_login(bob)
        self.assertEqual(self.client.get("/api/reports/").json()["count"], 0)
        for address in (f"/api/reports/{report.pk}/", f"/reports/{report.pk}/", link, link_of_page):
            self.assertEqual(self.client.get(address).status_code, 404, address)

    def test_link_is_good_for_a_quarter_of_an_hour_and_only_as_it_is(self) -> None:
        report = self.made()
        (link, _) = self.client.get(f"/api/reports/{report.pk}/").json()["files"]
        page = link["url"].replace("/api/", "/")
        foreign = f"/api/reports/files/{signing.dumps(1, salt='another')}/"
        self.assertEqual(self.client.get(foreign).status_code, 404)
        self.assertEqual(self.client.get(f"{link['url'][:-3]}xx/").status_code, 404)

        with patch("django.core.signing.time.time") as clock:
            for seconds, status in ((-30, 200), (30, 410)):
                clock.return_value = (timezone.now() + LINK_LASTS).timestamp() + seconds
                self.assertEqual(self.client.get(link["url"]).status_code, status)
                self.assertEqual(self.client.get(page).status_code, status)

    def test_page_shows_both_ways(self) -> None:
        here = self.client.post("/reports/", self.asked | {"how": "here"})
        self.assertContains(here, "kept you waiting")
        self.assertContains(here, "8.49")

        page = self.client.post("/reports/", self.asked | {"how": "job"}, follow=True)
        self.assertContains(page, "Accepted in")
        self.assertContains(page, "0 of 3 months")
        address = page.redirect_chain[-1][0]

        self.drain()

        part = self.client.get(address, headers={"HX-Request": "true"})
        self.assertEqual(part.status_code, 286)
        self.assertContains(part, "8.49", status_code=286)
        self.assertNotContains(part, "<html", status_code=286)
        self.assertContains(self.client.get("/reports/"), "succeeded")
