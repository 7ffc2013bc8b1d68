"""The list of jobs: searched by words, by state, page by page."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from celery import current_app
from django import forms
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from holdfast.console import jobs_actions as _actions  # noqa: F401  # registers them
from holdfast.console.numbers import said
from holdfast.console.pages import page
from holdfast.dispatch import said as said_of
from holdfast.dispatch.argument_search import examination_of
from holdfast.exceptions import SelectionRefused
from holdfast.ledger.reads.search import counts, suggestions, texts
from holdfast.ledger.reads.search.counts import Number
from holdfast.ledger.reads.search.filters import KEYS, JobFilter
from holdfast.ledger.reads.search.listing import (
    BUDGET_SECONDS,
    PAGE,
    JobRow,
    Listing,
    listing,
    usual_sort,
)
from holdfast.ledger.reads.search.values import Pair
from holdfast.ledger.reads.search.ways import Sort
from holdfast.ledger.states import State

# What is left of the budget for the look itself, however long it took to count.
LEAST_SECONDS = 0.05
SORTS = {
    Sort.NEWEST: _("recorded last"),
    Sort.OLDEST: _("recorded first"),
    Sort.LAST_FINISHED: _("finished last"),
    Sort.FIRST_FINISHED: _("finished first"),
}


class JobsQuery(forms.Form):
    """What the address of the list may ask for; keys of the search may stand there by themselves too."""

    q = forms.CharField(required=False, max_length=texts.LONGEST)
    sort = forms.ChoiceField(required=False, choices=[(sort.value, sort.value) for sort in Sort])
    cursor = forms.CharField(required=False, max_length=2000)
    limit = forms.IntegerField(required=False, min_value=1, max_value=500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One word of the search, and the search without it."""

    text: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """Jobs of one state that fit the rest of the search."""

    state: str
    """Empty for all states together."""
    count: int | None
    """None where counting would mean to look into each job."""
    exact: bool
    """Whether it was counted; otherwise it is an estimate, or only known to be at least that."""
    at_least: bool
    said: str
    """The count in words: 1,234, about 2.3 million, more than 10,000."""
    q: str
    """The search for these."""
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """Jobs that fit a search, a page of them."""

    q: str
    """The search in words."""
    filter: dict[str, Any]
    """The same by key."""
    mistake: str
    """What is wrong with the search; nothing is shown then."""
    sort: Sort
    sort_chosen: bool
    """Whether somebody asked for this order, or it is the usual one of such a search."""
    jobs: list[JobRow]
    next: str
    """The cursor of the next page; empty on the last one."""
    previous: str
    looked_to: datetime | None
    """The look took as long as it may and came so far: `next` goes on from there."""
    unread: int
    """Jobs that were looked at and whose arguments cannot be searched: encrypted, or not plain JSON."""
    tabs: list[Tab]
    chips: list[Chip]
    first: bool
    """Whether it is the first page."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for."""
        return not self.filter

    @property
    def sorts(self) -> list[tuple[str, Any, bool]]:
        """The orders there are: value, what it is called, whether it is this one."""
        usual = _("as usual") if self.sort_chosen else SORTS[self.sort]
        return [
            ("", usual, not self.sort_chosen),
            *(
                (sort.value, name, self.sort_chosen and sort is self.sort)
                for sort, name in SORTS.items()
                if self.sort_chosen or sort is not self.sort
            ),
        ]

    @property
    def completion(self) -> dict[str, Any]:
        """What the search box may propose; two statements."""
        names = suggestions.names()
        own = {name for name in current_app.tasks if not name.startswith("celery.")}
        states = [state.name.lower() for state in State]
        return {
            "keys": {**KEYS, "args.": str(_("an argument by its name: args.order_id:42"))},
            "state": states,
            "task": sorted(own.union(names.tasks)),
            "queue": names.queues,
            "worker": names.workers,
        }


@page("jobs/", name="jobs", title=_("Jobs"), template="holdfast/jobs.html", query=JobsQuery)
def jobs(request: HttpRequest, query: Mapping[str, Any]) -> JobsPage:
    """Find jobs by state, task, queue, worker, time, batch, workflow, error, arguments; see `q`."""
    try:
        wanted = _wanted(request, query["q"])
    except SelectionRefused as error:
        if _is_api(request):
            raise BadRequest(str(error)) from error
        return _nothing(query["q"], str(error))
    sort = Sort(query["sort"]) if query["sort"] else usual_sort(wanted)
    began = time.monotonic()
    tabs = _tabs(wanted)
    left = BUDGET_SECONDS - (time.monotonic() - began)
    try:
        found = listing(
            wanted,
            sort=sort,
            cursor=query["cursor"],
            limit=query["limit"] or PAGE,
            examination=examination_of(current_app._get_current_object(), wanted),  # noqa: SLF001  # the app itself
            budget_seconds=max(left, LEAST_SECONDS),
        )
    except SelectionRefused as error:
        raise BadRequest(str(error)) from error
    return _page(wanted, found, tabs, sort_chosen=bool(query["sort"]))


def _wanted(request: HttpRequest, words: str) -> JobFilter:
    """Read the search box, and the keys that stand in the address by themselves."""
    pairs = texts.pairs(words)
    for key in request.GET:
        if key in KEYS or Pair(key, "").is_argument:
            pairs += [Pair(key, value) for value in request.GET.getlist(key) if value]
    return JobFilter.of_pairs(pairs)


def _is_api(request: HttpRequest) -> bool:
    match = request.resolver_match
    return bool(match and (match.url_name or "").startswith("api-"))


def _page(wanted: JobFilter, found: Listing, tabs: list[Tab], *, sort_chosen: bool) -> JobsPage:
    return JobsPage(
        q=texts.write(wanted),
        filter=wanted.flat(),
        mistake="",
        sort=found.sort,
        sort_chosen=sort_chosen,
        jobs=without_secrets(found.rows),
        next=found.next,
        previous=found.previous,
        looked_to=found.looked_to,
        unread=found.unread.total,
        tabs=tabs,
        chips=[
            Chip(text=str(pair), without=texts.write(wanted.without(pair)))
            for pair in wanted.pairs()
        ],
        first=not found.previous,
    )


def without_secrets(rows: list[JobRow]) -> list[JobRow]:
    """Return rows whose errors are as people may see them; one statement if there are any."""
    rules = said_of.of_jobs(current_app, {row.id: row.task for row in rows if row.error})
    return [
        replace(row, error=rules[row.id].clean(row.error)) if row.error else row for row in rows
    ]


def _nothing(words: str, mistake: str) -> JobsPage:
    return JobsPage(
        q=words,
        filter={},
        mistake=mistake,
        sort=Sort.NEWEST,
        sort_chosen=False,
        jobs=[],
        next="",
        previous="",
        looked_to=None,
        unread=0,
        tabs=[],
        chips=[],
        first=True,
    )


def _tabs(wanted: JobFilter) -> list[Tab]:
    numbers = counts.by_state(wanted)
    every = sum(numbers.values(), Number()) if numbers else None
    rest = [("", (), every), *((s.name.lower(), (s,), numbers.get(s)) for s in State)]
    return [
        Tab(
            state=name,
            count=None if number is None else number.count,
            exact=number is not None and number.exact,
            at_least=number is not None and number.at_least,
            said="" if number is None else said(number),
            q=texts.write(replace(wanted, states=states)),
            current=wanted.states == states,
        )
        for name, states, number in rest
    ]
