"""Workflows: the graph of one, drawn in the browser from a bounded outline, with a table of the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from holdfast.console.pages import page
from holdfast.exceptions import JobNotFound
from holdfast.workflows import STEP, Box, Line, outline

MOST_STEPS = 10
MOST_OPENED = 20


class OpenedField(forms.Field):
    """Keys of boxes that are opened, each as often as it is to show fifty more."""

    widget = forms.SelectMultiple

    def clean(self, value: Any) -> dict[str, int]:
        """Return how many members of each are to be shown."""
        times = Counter(str(key) for key in value or ())
        if len(times) > MOST_OPENED:
            raise forms.ValidationError(
                _("At most %(n)s boxes can be open at once.") % {"n": MOST_OPENED}
            )
        return {key: STEP * min(n, MOST_STEPS) for key, n in times.items()}


class WorkflowQuery(forms.Form):
    """Which boxes are opened: `open=KEY`, once for each fifty members."""

    open = OpenedField(required=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPage:
    """The outline of a workflow: boxes, and lines between them."""

    id: str
    boxes: list[Box]
    lines: list[Line]
    complete: bool
    """Whether it is all; if not, there is more than was looked at."""
    opened: Mapping[str, int]
    """How many members are shown of what is opened, by its key."""
    step: int
    """How many members are opened at once."""
    counts: Mapping[str, int]
    """Jobs and steps by state, as far as they were counted."""

    @property
    def title(self) -> str:
        """What it begins with."""
        first = next((box.task for box in self.boxes if box.task), "")
        return _("Workflow of %(first)s") % {"first": first} if first else _("Workflow")


@page(
    "workflows/<str:id>/",
    name="workflow",
    title=gettext_lazy("Workflow"),
    template="holdfast/workflow.html",
    query=WorkflowQuery,
)
def workflow(_request: HttpRequest, query: Mapping[str, Any], id: str) -> WorkflowPage:
    """Outline the workflow that a job, a group or a batch is part of."""
    try:
        found = outline(id, opened=query["open"])
    except JobNotFound as error:
        raise Http404(str(error)) from error
    return WorkflowPage(
        id=id,
        boxes=found.boxes,
        lines=found.lines,
        complete=found.complete,
        opened=query["open"],
        step=STEP,
        counts=_counts(found.boxes),
    )


def _counts(boxes: list[Box]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for box in boxes:
        if box.kind == "many":
            counts.update(box.counts)
        elif box.kind != "batch":
            counts[box.state] += box.size
    return dict(counts)
