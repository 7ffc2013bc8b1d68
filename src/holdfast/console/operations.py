"""What is done to all jobs that match: tried out, asked for, watched and stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, QueryDict
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from holdfast import operations as all_matching
from holdfast.console import links
from holdfast.console.access import OPERATE
from holdfast.console.numbers import grouped
from holdfast.console.pages import Done, Refused, action, actor, page
from holdfast.ledger.reads import worker_reads
from holdfast.ledger.reads.search.listing import JobRow
from holdfast.operations import OperationRow

PAGE = 50
# From so many on the number is typed.
SURE = 1000
KINDS = (
    ("replay", _("Replay")),
    ("cancel", _("Cancel")),
    ("discard", _("Discard")),
    ("queue", _("Change the queue")),
    ("priority", _("Change the priority")),
    ("purge", _("Cancel what waits in a queue")),
    ("cancel-batch", _("Cancel a batch")),
    ("replay-batch", _("Replay a batch")),
)
EXPLAINS = {
    "replay": _(
        "Finished jobs go back to work: dead letters, unless the filter names other states."
    ),
    "cancel": _("Jobs that wait never run."),
    "discard": _(
        "Dead letters are given up: cancelled, and deleted after the retention of finished jobs."
    ),
    "queue": _("Jobs that wait go to the end of another queue."),
    "priority": _("Jobs that wait get another priority, 0 to 9, the highest first."),
    "purge": _(
        "What waited in the queue at this moment never runs; what came later, and what runs, is left alone."
    ),
    "cancel-batch": _(
        "Its members that wait never run, those of inner batches and those that are added later too."
    ),
    "replay-batch": _("Its failed and dead members go back to work, those of inner batches too."),
}
RUNNING = (
    ("leave", _("are left alone")),
    ("ask", _("are asked to stop")),
    ("stop", _("are stopped")),
)


class OperationsQuery(forms.Form):
    before = forms.IntegerField(required=False, min_value=1)


class TrialForm(forms.Form):
    """Which jobs, and what is to be done to them."""

    kind = forms.ChoiceField(choices=KINDS, label=_("What"))
    filter = forms.CharField(
        required=False, max_length=4000, label=_("Jobs"), widget=forms.TextInput
    )
    later = forms.BooleanField(
        required=False,
        label=_("Those too whose time is to come"),
        help_text=_("For what waits in a queue: jobs with an ETA, and retries that wait."),
    )


class AskForm(TrialForm):
    """The same, with what it takes beside it."""

    queue = forms.CharField(required=False, max_length=255, label=_("Queue"))
    priority = forms.IntegerField(required=False, min_value=0, max_value=9, label=_("Priority"))
    running = forms.ChoiceField(
        choices=RUNNING, required=False, initial="leave", label=_("Jobs that run")
    )
    until = forms.DateTimeField(
        required=False,
        widget=forms.HiddenInput,
        help_text=_("For what waits in a queue: only what waited at this moment; now if left out."),
    )
    reason = forms.CharField(required=False, max_length=500, label=_("Reason, for the audit"))
    everything = forms.BooleanField(required=False, label=_("Yes, every job there is"))
    shown = forms.IntegerField(required=False, widget=forms.HiddenInput)
    typed = forms.CharField(required=False, max_length=20, label=_("Type the number of jobs"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """An operation, with its filter in words."""

    id: int
    words: str
    percent: int
    """How much of it is worked off; an estimate where the total is one."""
    row: OperationRow

    @property
    def jobs_url(self) -> str:
        """The list of the jobs that match now."""
        return links.address("jobs", q=self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsPage:
    """Operations, the newest first."""

    operations: list[OperationView]
    waits_for_worker: bool
    """Whether one is under way and no worker lives to work it off."""
    before: int | None
    """The address of the next page has this in it; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationPage:
    """One operation as it stands."""

    operation: OperationView
    waits_for_worker: bool

    @property
    def title(self) -> str:
        return str(_("Operation %(id)s") % {"id": self.operation.id})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPage:
    """What an operation would do if it were asked for now; nothing is changed."""

    kind: str
    label: str
    explains: str
    filter: str
    count: int
    exact: bool
    everything: bool
    """Whether it would be every job there is, and must be said."""
    sure: bool
    """Whether the number must be typed."""
    samples: list[JobRow]
    later: bool
    """Of what waits in a queue: whether jobs whose time is to come are meant too."""
    until: datetime | None
    """Of what waits in a queue: the moment that it was counted at, to be given back."""

    @property
    def queues(self) -> list[str]:
        """Queues that a live worker takes jobs from, to choose from; one statement."""
        return sorted(_served())


@page(
    "operations/",
    name="operations",
    title=_("Operations"),
    template="holdfast/operations.html",
    query=OperationsQuery,
)
def operations(_request: HttpRequest, query: Mapping[str, Any]) -> OperationsPage:
    """Show what was asked for, and how far it has come."""
    found = all_matching.listed(limit=PAGE + 1, before=query["before"])
    shown = found[:PAGE]
    return OperationsPage(
        operations=[_view(row) for row in shown],
        waits_for_worker=_waits(shown),
        before=shown[-1].id if len(found) > PAGE else None,
    )


@page(
    "operations/<int:id>/",
    name="operation",
    title=_("Operation"),
    template="holdfast/operation.html",
)
def operation(_request: HttpRequest, id: int) -> OperationPage:
    """Show one with its progress."""
    found = all_matching.find(id)
    if found is None:
        raise Http404(
            _("There is no operation %(id)s; those of long ago are deleted.") % {"id": id}
        )
    return OperationPage(operation=_view(found), waits_for_worker=_waits([found]))


@page(
    "operations/new/",
    name="operation-new",
    title=_("All that match"),
    template="holdfast/operation_new.html",
    needs=OPERATE,
    query=TrialForm,
)
def operation_new(_request: HttpRequest, query: Mapping[str, Any]) -> TrialPage:
    """Show what an operation would do, and ask whether it is meant so."""
    kind = query["kind"]
    trial = all_matching.try_out(kind, query["filter"], later=query["later"])
    return TrialPage(
        kind=kind,
        label=str(dict(KINDS)[kind]),
        explains=str(EXPLAINS[kind]),
        filter=trial.filter,
        count=trial.count,
        exact=trial.exact,
        everything=trial.everything,
        sure=trial.count > SURE,
        samples=trial.samples,
        later=query["later"],
        until=trial.until,
    )


@action(
    "operations/try/",
    name="operation-try",
    label=_("Try it out"),
    form=TrialForm,
    explains=_("Counts the jobs that an operation would be about; nothing is changed."),
)
def operation_try(_request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Count what an operation would move, and show a few of the jobs."""
    trial = all_matching.try_out(asked["kind"], asked["filter"], later=asked["later"])
    said = (
        ngettext("%(count)s job matches.", "%(count)s jobs match.", trial.count)
        if trial.exact
        else _("More than %(count)s jobs match.")
    )
    return Done(
        said % {"count": grouped(trial.count)},
        to=_address(asked["kind"], trial.filter, later=asked["later"]),
        data={
            "count": trial.count,
            "exact": trial.exact,
            "filter": trial.filter,
            "samples": trial.samples,
        },
    )


@action(
    "operations/ask/",
    name="operation-ask",
    label=_("Do it to all that match"),
    form=AskForm,
    explains=_("A worker does it, slice by slice; it can be watched and stopped."),
)
def operation_ask(request: HttpRequest, asked: Mapping[str, Any]) -> Done:
    """Ask for it; from 1,000 jobs on the number has to be typed."""
    kind, running = asked["kind"], asked["running"] or "leave"
    more = {"running": running, "later": asked["later"], "until": asked["until"]}
    trial = all_matching.try_out(kind, asked["filter"], **more)
    _refuse_unless_sure(trial.count, asked)
    row = all_matching.ask(
        kind,
        asked["filter"],
        actor=actor(request),
        reason=asked["reason"],
        queue=asked["queue"] or None,
        priority=asked["priority"],
        everything=asked["everything"],
        **more,
    )
    told = _("Operation %(id)s is asked for.") % {"id": row.id}
    if kind == "queue" and asked["queue"] not in _served():
        told = f"{told} " + _("No live worker takes jobs from the queue %(queue)s.") % {
            "queue": asked["queue"]
        }
    return Done(
        told,
        to=reverse("holdfast:operation", args=[row.id]),
        data={"operation": row.id, "total": row.total, "exact": row.total_exact},
    )


@action("operations/<int:id>/stop/", name="operation-stop", label=_("Stop"))
def operation_stop(request: HttpRequest, id: int) -> Done:
    """Let it move no more jobs; what it has moved stays moved."""
    if not all_matching.stop(id, actor=actor(request)):
        raise Refused(_("Operation %(id)s was over before.") % {"id": id})
    return Done(_("Operation %(id)s moves no more jobs.") % {"id": id})


def _served() -> set[str]:
    """Return the queues that a live worker takes jobs from."""
    return {queue for worker in worker_reads.workers() for queue in worker.queues}


def _refuse_unless_sure(count: int, asked: Mapping[str, Any]) -> None:
    if count <= SURE:
        return
    shown, typed = asked["shown"], "".join(filter(str.isdigit, asked["typed"]))
    if typed != str(count if shown is None else shown):
        raise Refused(
            _("%(count)s jobs match: type this number if all of them are meant.")
            % {"count": grouped(count)}
        )
    if shown is not None and count > shown * 1.1:
        raise Refused(
            _("%(count)s jobs match by now, and %(shown)s were shown: look again.")
            % {"count": grouped(count), "shown": grouped(shown)}
        )


def _view(row: OperationRow) -> OperationView:
    return OperationView(
        id=row.id, words=all_matching.words(row.filter), percent=int(row.share * 100), row=row
    )


def _waits(rows: list[OperationRow]) -> bool:
    return any(row.state == "running" for row in rows) and not all_matching.is_worked()


def _address(kind: str, words: str, *, later: bool) -> str:
    query = QueryDict(mutable=True)
    query.update({"kind": kind, "filter": words, **({"later": "on"} if later else {})})
    return f"{reverse('holdfast:operation-new')}?{query.urlencode()}"
