"""How a report is made: asked for in a request, added up month by month and written by jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import chain, states
from celery.result import AsyncResult
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

import holdfast

from . import figures, files
from .models import Report, ReportFile, ReportLine
from .periods import Period

State = Report.State
# How many of how many parts are done, and what comes now.
Tell = Callable[[int, int, str], Any]


def ask(period: Period, *, owner: User | None = None) -> Report:
    """Record a report and the jobs that make it, in one transaction; nothing is added up yet."""
    with transaction.atomic():
        report = Report.objects.create(
            owner=owner, since=period.since, until=period.until, parts=len(period.parts())
        )
        begin(report)
    return report


def begin(report: Report) -> None:
    """Send the steps of a report as a chain, as part of the caller's transaction."""
    from . import tasks  # they import this module

    number = report.pk
    steps = [tasks.collect, tasks.render]
    if report.day is not None:
        steps.append(tasks.mail_summary)
    last = chain(*(step.si(number).on_error(tasks.give_up.si(number)) for step in steps)).delay()
    report.jobs = _ids(last)
    report.save(update_fields=["jobs"])


def _ids(last: AsyncResult[Any] | None) -> list[str]:
    return [*_ids(last.parent), last.id] if last is not None else []


def collect(report_id: int, *, tell: Tell) -> None:
    """Add up what is left of the months.

    The lines of a month and the checkpoint behind it commit together, so a month is added up once
    into a report, whoever dies.
    """
    report = Report.objects.filter(pk=report_id).first()
    if report is None or report.state == State.SUCCEEDED:
        return
    months = report.period.parts()
    begin_at = holdfast.last_checkpoint(default=0)
    _start(report, is_anew=begin_at == 0)
    for done, month in enumerate(months[begin_at:], start=begin_at):
        if holdfast.is_aborted():
            _end(report_id, state=State.FAILED, reason="It was asked to stop.")
            raise holdfast.Aborted("asked to stop")
        tell(done, len(months), f"adding up {month.since:%Y-%m}")
        lines = figures.lines_of(month)
        with transaction.atomic():
            for line in lines:
                line.report = report
            ReportLine.objects.bulk_create(lines)
            Report.objects.filter(pk=report_id).update(parts_done=done + 1)
            holdfast.checkpoint(done + 1)
    tell(len(months), len(months), "added up")


def _start(report: Report, *, is_anew: bool) -> None:
    with transaction.atomic():
        if is_anew:
            report.lines.all().delete()
            report.parts_done = 0
        report.state, report.reason = State.RUNNING, ""
        report.started_at = report.started_at or timezone.now()
        report.save(update_fields=["state", "reason", "started_at", "parts_done"])


def render(report_id: int) -> None:
    """Write the files; they and the end of the report commit together."""
    report = Report.objects.filter(pk=report_id).first()
    if report is None:
        return
    lines = list(report.lines.all())
    contents = {
        ReportFile.Kind.CSV: files.to_csv(lines),
        ReportFile.Kind.PDF: files.to_pdf(report, lines=lines),
    }
    with transaction.atomic():
        for kind, content in contents.items():
            ReportFile.objects.update_or_create(
                report=report, kind=kind, defaults={"content": content}
            )
        _end(report_id, state=State.SUCCEEDED)


def give_up(report_id: int) -> None:
    """Say on a report that nothing goes on with it; the replay of its job does."""
    _end(report_id, state=State.FAILED, reason="It could not be made. Ask for it again later.")


def settle() -> int:
    """Say on reports of which a job was cancelled, as in the console, that nothing goes on; return how many."""
    settled = 0
    for number, jobs in Report.objects.filter(state__in=Report.UNDER_WAY).values_list("pk", "jobs"):
        if any(AsyncResult(job).state == states.REVOKED for job in jobs):
            _end(number, state=State.FAILED, reason="It was cancelled.")
            settled += 1
    return settled


def _end(report_id: int, *, state: Report.State, reason: str = "") -> None:
    Report.objects.filter(pk=report_id).exclude(state=State.SUCCEEDED).update(
        state=state, reason=reason, finished_at=timezone.now()
    )
