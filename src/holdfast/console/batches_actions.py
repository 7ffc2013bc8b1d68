"""What is done with a batch: its members are cancelled, and what failed of it is replayed; of many by an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from holdfast import dead_letters, operations
from holdfast.batches import Batch
from holdfast.console.numbers import grouped
from holdfast.console.pages import Done, Refused, action, actor
from holdfast.exceptions import BatchNotFound
from holdfast.ledger import batches as ledger
from holdfast.ledger.batches import BatchRow
from holdfast.ledger.reads import batch_reads
from holdfast.ledger.states import DEAD_LETTERS

# Replayed by one press: each is a move of its own, and the browser waits.
MOST_REPLAYED = 2_000


class CancelForm(forms.Form):
    """What becomes of members that run."""

    running = forms.ChoiceField(
        label=_("Members that run"),
        choices=[
            ("leave", _("leave them alone")),
            ("ask", _("ask them to stop by themselves")),
            ("stop", _("stop them")),
        ],
        initial="leave",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(required=False, max_length=200, label=_("Reason, for the audit"))


@action(
    "batches/<str:id>/cancel/",
    name="batch-cancel",
    label=_("Cancel"),
    form=CancelForm,
    explains=_(
        "Cancels all members that wait, those of inner batches and those that are added later too."
    ),
)
def cancel(request: HttpRequest, asked: Mapping[str, Any], id: str) -> Done:
    """Cancel a batch: up to 2,000 members at once, more by an operation."""
    found, running, reason = _batch(id), asked["running"], asked["reason"]
    trial = operations.try_out("cancel-batch", {"batch": id}, running=running)
    if trial.count > operations.AT_ONCE or not trial.exact:
        row = operations.ask(
            "cancel-batch", {"batch": id}, running=running, actor=actor(request), reason=reason
        )
        return Done(
            _("The batch is cancelled; operation %(id)s cancels its %(n)s members.")
            % {"id": row.id, "n": grouped(row.total)},
            to=reverse("holdfast:operation", args=[row.id]),
            data={"cancelled": 0, "left": row.total, "operation": row.id},
        )
    count = found.cancel(
        terminate=running == "stop",
        only_waiting=running == "leave",
        actor=actor(request),
        reason=reason,
    )
    said = ngettext(
        "The batch is cancelled, and %(n)s job with it.",
        "The batch is cancelled, and %(n)s jobs with it.",
        count,
    )
    return Done(
        said % {"n": count}, to=reverse("holdfast:batch", args=[id]), data={"cancelled": count}
    )


@action(
    "batches/<str:id>/replay/",
    name="batch-replay",
    label=_("Replay failed members"),
)
def replay(request: HttpRequest, id: str) -> Done:
    """Put the failed and dead members back to work, those of inner batches too; more than 2,000 by an operation."""
    row_of(id)
    failed, _exact = batch_reads.members_in(id, DEAD_LETTERS)
    if failed > MOST_REPLAYED:
        row = operations.ask("replay-batch", {"batch": id}, actor=actor(request))
        return Done(
            _("Operation %(id)s replays %(n)s members.") % {"id": row.id, "n": grouped(row.total)},
            to=reverse("holdfast:operation", args=[row.id]),
            data={"replayed": 0, "left": row.total, "operation": row.id},
        )
    count = dead_letters.filter(batch=id).replay(actor=actor(request), limit=MOST_REPLAYED)
    if not count:
        raise Refused(
            _("No member of this batch has failed or is dead: there is nothing to replay.")
        )
    said = ngettext(
        "%(n)s member is put back to work.", "%(n)s members are put back to work.", count
    ) % {"n": count}
    return Done(said, to=reverse("holdfast:batch", args=[id]), data={"replayed": count})


def row_of(id: str) -> BatchRow:
    """Return the row of a batch.

    Raises:
        Http404: there is none.
    """
    row = ledger.get(id)
    if row is None:
        raise Http404(
            _("There is no batch %(id)s: it was never recorded, or deleted after its retention.")
            % {"id": id}
        )
    return row


def _batch(id: str) -> Batch:
    try:
        return Batch.get(id)
    except BatchNotFound as error:
        raise Http404(str(error)) from error
