"""The members of a batch for an operation on all of them: state by state and batch by batch, along their index."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from holdfast.ledger import operations
from holdfast.ledger.fence import job_rows
from holdfast.ledger.models import Job

# Members in a page, and short looks for one.
PAGE = 500
LOOKS = 50


class BatchWalk:
    """The members of some batches that are in some states, each once.

    A member that comes, or falls back to a state that is behind the walk, is not met: the loop that looks after
    cancelled batches has it when the operation is over.
    """

    def __init__(
        self, batch_ids: Sequence[str], states: Iterable[int], *, ended_by: int | None = None
    ) -> None:
        """Begin a walk; with `ended_by` only members that had ended when the operation of this id was asked for."""
        self._ids = sorted(batch_ids)
        # Those that wait move on to be queued and to run: in this order they are met there.
        self._states = sorted(states)
        self._asked: dict[str, Any] = {}
        if ended_by is not None:
            # Compared where both were stamped: one that fails again while the walk goes on is not met twice.
            stamp = operations.rows().filter(id=ended_by).values("asked_at")
            self._asked = {"finished_at__lte": stamp}

    def among(self, ids: Iterable[str]) -> QuerySet[Job]:
        """Return those of some jobs that still are members in one of these states."""
        return job_rows().filter(
            id__in=list(ids), batch_id__in=self._ids, state__in=self._states, **self._asked
        )

    def next_page(self, cursor: str) -> tuple[list[str], str]:
        """Return the next members behind a cursor, and the cursor behind them; empty behind the last ones."""
        state, batch, after = json.loads(cursor) if cursor else (self._states[0], self._ids[0], "")
        for _ in range(LOOKS):
            rows = job_rows().filter(batch_id=batch, state=state, id__gt=after).order_by("id")
            found = list(rows.values_list("id", flat=True)[:PAGE])
            if len(found) == PAGE:
                return found, json.dumps([state, batch, found[-1]])
            further = self._further(state, batch)
            if further is None:
                return found, ""
            state, batch, after = *further, ""
            if found:
                return found, json.dumps([state, batch, after])
        return [], json.dumps([state, batch, after])

    def _further(self, state: int, batch: str) -> tuple[int, str] | None:
        """Return the state and the batch behind these; None: they were the last ones."""
        # One that is deleted meanwhile is not among them any more.
        place = bisect_right(self._ids, batch)
        if place < len(self._ids):
            return state, self._ids[place]
        later = [one for one in self._states if one > state]
        return (later[0], self._ids[0]) if later else None
