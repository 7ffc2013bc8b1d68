"""What a row must be to become a contact."""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from .models import LONGEST_NAME, Contact
from .reading import Record

_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]{3,18}")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class WrongRowError(ValueError):
    """The row becomes nothing; the message says why."""


def contact_of(record: Record, *, columns: list[str]) -> Contact:
    """Make a contact of a row, not saved; raises `WrongRowError`."""
    if record.reason:
        raise WrongRowError(record.reason)
    if len(record.cells) != len(columns):
        cells_told = "1 cell" if len(record.cells) == 1 else f"{len(record.cells)} cells"
        raise WrongRowError(f"{cells_told}; the first line names {len(columns)}")
    cells = {name: cell.strip() for name, cell in zip(columns, record.cells, strict=True)}
    for name, cell in cells.items():
        if _NOT_UTF8.search(cell):
            raise WrongRowError(f"{name}: not UTF-8")
        if "\n" in cell or "\r" in cell:
            raise WrongRowError(f"{name}: goes over more than one line")
        if _CONTROL.search(cell):
            raise WrongRowError(f"{name}: has a character that cannot be seen")
    return Contact(
        line=record.line,
        email=_email(cells["email"]),
        name=_name(cells["name"]),
        phone=_phone(cells.get("phone", "")),
    )


def _email(cell: str) -> str:
    try:
        validate_email(cell)
    except ValidationError:
        raise WrongRowError("email: no mail address" if cell else "email: missing") from None
    # Some capitals are two small letters: what is kept is what is measured.
    address = cell.lower()
    if len(address) > 254:
        raise WrongRowError("email: longer than 254 characters")
    return address


def _name(cell: str) -> str:
    if not cell:
        raise WrongRowError("name: missing")
    if len(cell) > LONGEST_NAME:
        raise WrongRowError(f"name: longer than {LONGEST_NAME} characters")
    return cell


def _phone(cell: str) -> str:
    if cell and not _PHONE.fullmatch(cell):
        raise WrongRowError("phone: no telephone number")
    return cell
