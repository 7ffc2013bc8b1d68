"""Whose attempt a Celery request is: read from the mark the claim put into its headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from holdfast.ledger.records import Hold
from holdfast.tickets import HEADER


def is_secret(request: Any) -> bool:
    """Tell whether a request is of a job that is encrypted at rest."""
    mark = getattr(request, HEADER, None)
    return isinstance(mark, Mapping) and bool(mark.get("encrypted"))


def hold_from(request: Any) -> Hold | None:
    """Return the hold of the attempt a request belongs to; None for anything that is not a durable job's."""
    mark = getattr(request, HEADER, None)
    if not isinstance(mark, Mapping) or "worker" not in mark:
        return None
    return hold_from_mark(request.id, mark)


def hold_from_mark(id: str, mark: Mapping[str, Any]) -> Hold:
    """Return the hold that a claim's mark stands for."""
    return Hold(id, int(mark["token"]), _incarnation(mark["worker"]))


@lru_cache(maxsize=8)
def _incarnation(text: str) -> UUID:
    # A process meets few of them, and asks several times a job.
    return UUID(text)
