"""Places in a list as texts for an address: signed, so that only one of ours for the same search is taken."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.core import signing

from holdfast.exceptions import SelectionRefused
from holdfast.ledger.reads.search import texts
from holdfast.ledger.reads.search.filters import JobFilter
from holdfast.ledger.reads.search.ways import Place, Sort

_SALT = "holdfast.ledger.reads.search"


def write(wanted: JobFilter, sort: Sort, place: Place, *, backwards: bool = False) -> str:
    """Return the text of a place, and of the direction to go on from there."""
    at = place.finished_at
    kind = "t" if isinstance(at, str) else "d"
    written = at.isoformat() if isinstance(at, datetime) else at
    return signing.Signer(salt=_SALT).sign_object(
        [_mark(wanted, sort), int(backwards), place.id, kind, written], compress=False
    )


def read(text: str, wanted: JobFilter, sort: Sort) -> tuple[Place, bool]:
    """Return the place of a text, and whether it goes backwards from there.

    Raises:
        SelectionRefused: it is none of ours, or one of another search.
    """
    try:
        mark, backwards, id, kind, written = _unsigned(text)
    except (signing.BadSignature, ValueError, TypeError):
        raise SelectionRefused(
            "The cursor is none that this list has given: go to the first page, without a cursor."
        ) from None
    if mark != _mark(wanted, sort):
        raise SelectionRefused(
            "The cursor belongs to another search or another order: go to the first page, without a cursor."
        )
    at = datetime.fromisoformat(written) if kind == "d" and written else written
    return Place(id, at), bool(backwards)


def _unsigned(text: str) -> Any:
    return signing.Signer(salt=_SALT).unsign_object(text)


def _mark(wanted: JobFilter, sort: Sort) -> str:
    said = f"{sort.value} {texts.write(wanted)}"
    return hashlib.sha256(said.encode(errors="replace")).hexdigest()[:12]
