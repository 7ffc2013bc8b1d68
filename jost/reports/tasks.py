"""The jobs of reports; a report is a chain of them."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.db import InterfaceError, OperationalError

import holdfast
from jost.gateways.sending import RETRIES

from . import daily, making


@shared_task(
    bind=True,
    name="jost.reports.collect",
    autoretry_for=(InterfaceError, OperationalError),
    retry_backoff=True,
    max_retries=5,
    soft_time_limit=600,
)
def collect(self: Any, report_id: int) -> None:
    """Add up the sales, month by month, from where an attempt before has come."""
    making.collect(report_id, tell=self.progress)


@shared_task(
    name="jost.reports.render",
    autoretry_for=(InterfaceError, OperationalError),
    retry_backoff=True,
    max_retries=5,
)
def render(report_id: int) -> None:
    """Write the files of a report."""
    making.render(report_id)


@shared_task(name="jost.reports.mail_summary", retry_rules=RETRIES)
def mail_summary(report_id: int) -> None:
    """Tell the staff of the report of a day, once."""
    daily.mail_summary(report_id)


@shared_task(name="jost.reports.give_up", atomic=True)
def give_up(report_id: int) -> None:
    """Say on a report that its job is a dead letter."""
    making.give_up(report_id)


@holdfast.singleton_task(name="jost.reports.daily", on_conflict="skip")
def report_of_yesterday() -> int:
    """Begin the report of yesterday, and of days that were missed."""
    return daily.ask_for_missing()


@holdfast.singleton_task(name="jost.reports.settle", on_conflict="skip")
def settle() -> int:
    """Look whether a job was cancelled by somebody who knows nothing of reports."""
    return making.settle()


@holdfast.singleton_task(name="jost.reports.clean_up", on_conflict="skip")
def clean_up() -> int:
    """Delete what is old."""
    return daily.clean_up()
