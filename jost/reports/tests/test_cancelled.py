"""Reports whose jobs are cancelled or gone; `manage.py test reports` runs this file."""

from __future__ import annotations

from unittest.mock import patch

import holdfast
from jost.reports import making, tasks
from jost.reports.models import Report

from .test_reports import QUARTER, QUARTERS_LINES, ReportCase


class Cancelled(ReportCase):
    def is_told_and_replayed(self, report: Report, *, job: str) -> None:
        tasks.settle.delay()
        self.drain()
        report.refresh_from_db()
        self.assertEqual((report.state, report.reason), ("failed", "It was cancelled."))

        holdfast.replay(job)
        self.drain()

        report.refresh_from_db()
        self.assertEqual((report.state, report.reason), ("succeeded", ""))
        self.assertEqual(self.lines(report), QUARTERS_LINES)

    def test_report_whose_first_job_is_cancelled_elsewhere_says_so_and_its_replay_goes_on(
        self,
    ) -> None:
        report = making.ask(QUARTER)
        self.assertEqual(making.settle(), 0)
        holdfast.cancel(report.jobs[0])

        self.is_told_and_replayed(report, job=report.jobs[0])

    def test_report_whose_last_job_is_cancelled_elsewhere_says_so_and_its_replay_goes_on(
        self,
    ) -> None:
        report = making.ask(QUARTER)
        with patch.object(making, "render", lambda _: holdfast.cancel(report.jobs[1])):
            self.drain()
        report.refresh_from_db()
        self.assertEqual(report.state, "running")

        self.is_told_and_replayed(report, job=report.jobs[1])

    def test_jobs_of_a_report_that_is_gone_end(self) -> None:
        for step in (tasks.collect, tasks.render, tasks.mail_summary):
            step.delay(0)

        self.drain()

        self.assertEqual({job.state for job in self.holdfast_jobs.recorded()}, {"succeeded"})
