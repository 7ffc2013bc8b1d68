"""The first page: what needs attention, how much goes through, how long it waits and runs, what waits where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from holdfast.console import charts, links
from holdfast.console.attention import Trouble
from holdfast.console.charts import Chart, Refresh
from holdfast.console.hub import hub
from holdfast.console.pages import page
from holdfast.console.snapshots import Figures, texts
from holdfast.ledger.reads import rates
from holdfast.ledger.reads.queue_reads import Queue
from holdfast.ledger.reads.rates import DAY, HOUR, Series, Spread, TaskTime
from holdfast.ledger.tallies import OTHERS, Tally

SPANS = {"hour": HOUR, "day": DAY}
# For so long all who look share what was read: of an hour 60 rows, of a day 1,440, and the sums over tasks.
KEPT_SECONDS = {"hour": 5.0, "day": 60.0}
TASKS_SECONDS = {"hour": 30.0, "day": 300.0}
TOP_TASKS = 8


class OverviewQuery(forms.Form):
    """How far the charts go back."""

    span = forms.ChoiceField(
        choices=[("hour", _("1 hour")), ("day", _("24 hours"))], required=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleRow:
    """One thing that needs attention."""

    kind: str
    severity: str
    """critical, warning or note."""
    sentence: str
    url: str
    """The list behind it; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One queue with open jobs or a worker."""

    name: str
    url: str
    waiting: int
    more: bool
    """Whether more wait than were counted."""
    oldest_seconds: float | None
    running: int
    workers: int
    ended_per_minute: int
    failed_per_minute: int
    unserved: bool
    """Whether jobs wait, and no live worker takes them."""
    share: float
    """Of what waits in the fullest queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """What one task took in the span."""

    task: str
    """"*" stands for all that are not told apart: the most frequent 100 of a minute are."""
    url: str
    """The list of its jobs."""
    failed_url: str
    """The list of those that are dead letters."""
    ended: int
    """Succeeded or failed."""
    failed: int
    run_seconds: float
    """How long its jobs ran, together."""
    share: float
    """Of the time that all tasks ran."""
    run: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of the page."""

    ends: Chart
    wait: Chart
    run: Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewPage:
    """The whole at one look, read once for all who look within two seconds."""

    at: datetime | None
    """When the figures were read, by the database's clock."""
    error: str
    """Why they are old; empty if they are not."""
    span: str
    """How far the charts go back: hour or day."""
    figures: Figures
    texts: dict[str, str]
    """The figures as a page writes them."""
    busy_share: float | None
    troubles: list[TroubleRow]
    """What needs attention, the worst first."""
    queues: list[QueueRow]
    tasks: list[TaskRow]
    """Those that ran longest in the span, counted up to the last full minute."""
    charts: Charts
    fullest: int
    """How many wait in the fullest queue."""


@page(
    "", name="overview", title=_("Overview"), template="holdfast/overview.html", query=OverviewQuery
)
def overview(_request: HttpRequest, query: Mapping[str, Any]) -> OverviewPage:
    """Show the whole at one look."""
    span = query["span"] or "hour"
    seen = hub.current()
    series = hub.kept(
        f"series-{span}",
        lambda: rates.series(SPANS[span], tail=seen.tail),
        seconds=KEPT_SECONDS[span],
    )
    tasks = hub.kept(
        f"tasks-{span}",
        lambda: rates.top_tasks(SPANS[span], limit=TOP_TASKS),
        seconds=TASKS_SECONDS[span],
    )
    fullest = max((queue.total for queue in seen.queues), default=0)
    return OverviewPage(
        at=seen.at,
        error=seen.error,
        span=span,
        figures=seen.figures,
        texts=texts(seen.figures),
        busy_share=seen.figures.busy_share,
        troubles=[_trouble(one) for one in seen.troubles],
        queues=[
            _queue(queue, seen.by_queue.get(queue.name, Tally()), fullest=fullest)
            for queue in seen.queues
        ],
        tasks=[_task(task) for task in tasks],
        charts=_charts(series, span),
        fullest=fullest,
    )


def _charts(series: Series, span: str) -> Charts:
    url = f"{reverse('holdfast:api-overview')}?span={span}"

    def again(key: str) -> Refresh:
        return Refresh(url=url, key=f"charts.{key}", seconds=10.0 if span == "hour" else 60.0)

    return Charts(
        ends=charts.ends(series, refresh=again("ends")),
        wait=charts.spreads(series, "wait", refresh=again("wait")),
        run=charts.spreads(series, "run", refresh=again("run")),
    )


def _trouble(trouble: Trouble) -> TroubleRow:
    return TroubleRow(
        kind=trouble.kind,
        severity=trouble.severity.label,
        sentence=trouble.sentence,
        url=trouble.url,
    )


def _task(task: TaskTime) -> TaskRow:
    named = task.task != OTHERS
    return TaskRow(
        task=task.task,
        url=links.jobs(task=task.task) if named else "",
        failed_url=links.jobs(task=task.task, state="failed,dead") if named else "",
        ended=task.ended,
        failed=task.failed,
        run_seconds=task.run_seconds,
        share=task.share,
        run=task.run,
    )


def _queue(queue: Queue, ended: Tally, *, fullest: int) -> QueueRow:
    return QueueRow(
        name=queue.name,
        url=links.queue(queue.name),
        waiting=queue.total,
        more=queue.more,
        oldest_seconds=queue.oldest_seconds,
        running=queue.running,
        workers=len(queue.workers),
        ended_per_minute=ended.ended,
        failed_per_minute=ended.failed,
        unserved=queue.unserved,
        share=queue.total / fullest if fullest else 0.0,
    )
