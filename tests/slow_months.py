"""JOST whose workers take a while for each month of a report, so that a kill comes in the middle of one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from celery.signals import worker_init

from jost.settings.test import *  # noqa: F403

if TYPE_CHECKING:  # models cannot be imported before the settings
    from jost.reports.models import ReportLine
    from jost.reports.periods import Period

MONTH_SECONDS = 0.3


@worker_init.connect(weak=False)
def slow_down(**_: Any) -> None:
    """Replace the sum over a month by a slow one."""
    from jost.reports import figures

    at_once = figures.lines_of

    def slowly(month: Period) -> list[ReportLine]:
        time.sleep(MONTH_SECONDS)
        return at_once(month)

    figures.lines_of = slowly
