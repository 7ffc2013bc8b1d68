"""Failures by cause: which there are, since when and how often, and what is done about one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django import forms
from django.http import Http404, HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from holdfast import dead_letters
from holdfast.console.access import OPERATE
from holdfast.console.alike import MOST as MOST_SAMPLES
from holdfast.console.alike import Alike, alike
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.dead_letters import DeadLetter
from holdfast.dispatch import said
from holdfast.ledger.failures import KEPT
from holdfast.ledger.reads import errors as reads
from holdfast.ledger.reads.errors import ErrorGroup

PAGE = 25
# Of a group: dead letters that are listed.
LETTERS = 10
PERIODS = {
    "": (_("any time"), None),
    "hour": (_("in the last hour"), timedelta(hours=1)),
    "day": (_("in the last 24 hours"), timedelta(days=1)),
    "week": (_("in the last 7 days"), timedelta(days=7)),
}
HEIGHT, STEP = 24, 3


class ErrorsQuery(forms.Form):
    q = forms.CharField(required=False, max_length=200, label=_("Text in the error or task"))
    task = forms.CharField(required=False, max_length=255, label=_("Task"))
    queue = forms.CharField(required=False, max_length=255, label=_("Queue"))
    within = forms.ChoiceField(
        required=False, choices=[(key, text) for key, (text, _) in PERIODS.items()], label=_("Last")
    )
    sort = forms.ChoiceField(
        required=False,
        choices=[("", _("failed last")), ("count", _("failed most in 24 h"))],
        label=_("First"),
    )
    page = forms.IntegerField(required=False, min_value=1, max_value=100)


class ErrorQuery(forms.Form):
    probe = forms.CharField(required=False, max_length=255)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow(ErrorGroup):
    """Failures of one cause, with what a list draws of them."""

    @property
    def bars(self) -> str:
        """The path of its chart: a bar for each half an hour."""
        most = max(self.spark, default=0) or 1
        # What is there at all is seen.
        heights = [max(2, round(HEIGHT * n / most)) if n else 0 for n in self.spark]
        return "".join(
            f"M{place * STEP} {HEIGHT}v-{height}h{STEP - 1}v{height}z"
            for place, height in enumerate(heights)
            if height
        )

    @property
    def width(self) -> int:
        """The width of its chart."""
        return len(self.spark) * STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsPage:
    """Failures by cause, those that failed last first."""

    groups: list[ErrorRow]
    total: int
    """Groups that fit what was asked for."""
    more: bool
    """Whether there are more groups than one look takes: those that failed longest ago are left out."""
    page: int
    pages: int
    asked: dict[str, str]

    @property
    def form(self) -> ErrorsQuery:
        """What was asked for, to be changed."""
        return ErrorsQuery(initial=self.asked, auto_id="ask-%s")

    @property
    def earlier(self) -> int:
        """The page before this one."""
        return self.page - 1

    @property
    def later(self) -> int:
        """The page after this one."""
        return self.page + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A job of the group that was replayed to try whether the rest may follow."""

    job: str
    state: str

    @property
    def is_over(self) -> bool:
        return self.state not in {"held", "queued", "running"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """One cause: how often, what was said last, what its jobs have in common, and its dead letters."""

    group: ErrorRow
    chart: dict[str, list[float]]
    """`times` in seconds since 1970, one an hour for seven days, and how many `failures` began with it."""
    error: str
    traceback: str
    traceback_of: str
    """The job that said so."""
    alike: list[Alike]
    looked_at: int
    """Jobs that were looked at for what they have in common."""
    letters: list[DeadLetter]
    probe: Probe | None
    jobs_url: str
    """The list of the group's dead letters; empty if the console has none."""

    @property
    def title(self) -> str:
        return self.group.error or self.group.task

    @property
    def highest(self) -> int:
        """The highest bar of the chart."""
        return max(self.group.spark, default=0)

    @property
    def filter(self) -> str:
        """The dead letters of the group, in words."""
        return f"fingerprint:{self.group.fingerprint}"


@page(
    "errors/",
    name="errors",
    title=_("Errors"),
    template="holdfast/errors.html",
    query=ErrorsQuery,
)
def errors(_request: HttpRequest, query: Mapping[str, Any]) -> ErrorsPage:
    """Show the groups, 25 a page."""
    wanted = reads.Wanted(
        task=query["task"] or None,
        queue=query["queue"] or None,
        text=query["q"] or None,
        within=PERIODS[query["within"]][1],
    )
    number = query["page"] or 1
    found, total, more = reads.groups(
        wanted, by_count=query["sort"] == "count", start=(number - 1) * PAGE, limit=PAGE
    )
    return ErrorsPage(
        groups=_shown(found),
        total=total,
        more=more,
        page=number,
        pages=max(1, -(-total // PAGE)),
        asked={key: str(value) for key, value in query.items() if value and key != "page"},
    )


@page(
    "errors/<str:fingerprint>/",
    name="error",
    title=_("Error"),
    template="holdfast/error.html",
    query=ErrorQuery,
)
def error(_request: HttpRequest, query: Mapping[str, Any], fingerprint: str) -> ErrorPage:
    """Show one group."""
    group = reads.group(fingerprint)
    if group is None:
        raise Http404(
            _("Nothing has failed with the fingerprint %(fingerprint)s that is still known.")
            % {"fingerprint": fingerprint}
        )
    ids = reads.samples(fingerprint, limit=MOST_SAMPLES)
    (shown,) = _shown([group])
    told = reads.traceback_of(fingerprint, ids)
    rules = said.of_jobs(current_app, {told[0]: group.task}) if told else {}
    return ErrorPage(
        group=shown,
        chart=_chart(group),
        error=rules[told[0]].clean(told[1]) if told else shown.error,
        traceback=rules[told[0]].clean(told[2]) if told else "",
        traceback_of=told[0] if told else "",
        alike=alike(ids),
        looked_at=len(ids),
        letters=dead_letters.latest(fingerprint=fingerprint, limit=LETTERS),
        probe=_probe(query["probe"]),
        jobs_url=_jobs_url(fingerprint),
    )


@action(
    "errors/<str:fingerprint>/probe/",
    name="error-probe",
    label=_("Try one"),
    needs=OPERATE,
    explains=_(
        "Replays one job of the group, the one that failed last: if it succeeds, replay the rest."
    ),
)
def error_probe(request: HttpRequest, fingerprint: str) -> Done:
    """Replay one job of the group, to see whether the rest may follow."""
    newest = dead_letters.latest(fingerprint=fingerprint, limit=1)
    if not newest or not dead_letters.filter(ids=[newest[0].id]).replay(actor=actor(request)):
        raise Refused(_("No dead letter is left of this group: nothing was replayed."))
    address = reverse("holdfast:error", args=[fingerprint])
    return Done(
        _("Job %(job)s is tried again.") % {"job": newest[0].id},
        to=f"{address}?probe={newest[0].id}",
        data={"job": newest[0].id},
    )


def _shown(found: list[ErrorGroup]) -> list[ErrorRow]:
    """Return groups without the secrets of what their latest jobs said."""
    rules = said.of_jobs(current_app, {group.sample: group.task for group in found})
    return [
        ErrorRow(**asdict(group) | {"error": rules[group.sample].clean(group.error)})
        for group in found
    ]


def _chart(group: ErrorGroup) -> dict[str, list[float]]:
    begin = reads.charts_begin(reads.now(), back=KEPT, each=reads.HOUR)
    times = [(begin + number * reads.HOUR).timestamp() for number in range(len(group.spark))]
    return {"times": times, "failures": [float(n) for n in group.spark]}


def _probe(job: str) -> Probe | None:
    state = reads.state_of(job) if job else None
    return None if state is None else Probe(job=job, state=state)


def _jobs_url(fingerprint: str) -> str:
    try:
        return f"{reverse('holdfast:jobs')}?fingerprint={fingerprint}"
    except NoReverseMatch:
        return ""
