"""What the doctor has found last: kept for whoever looks at the console, in every process of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from holdfast.ledger import audit
from holdfast.ledger.database import alias, atomic
from holdfast.ledger.models.examinations import Examination

_LAST = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The last examination; its time is the database's."""

    at: datetime
    by: str
    errors: int
    warnings: int
    report: dict[str, Any]
    """As `holdfast.doctor.Report.as_dict` returns it; empty where only the counts were asked for."""


def keep(report: Mapping[str, Any], *, actor: str) -> None:
    """Keep a report as the last one, with a line in the audit. Of two at once the later one is kept."""
    counts = report["counts"]
    with atomic():
        _examinations().update_or_create(
            number=_LAST,
            defaults={
                "at": Now(),
                "by": actor[:255],
                "errors": counts["error"],
                "warnings": counts["warning"],
                "report": json.dumps(report, default=str),
            },
        )
        found = f"{counts['error']} errors, {counts['warning']} warnings"
        audit.note("examine", actor=actor, detail=found)


def last() -> Examined | None:
    """Return the last one; one row is read."""
    row = _examinations().filter(number=_LAST).first()
    return None if row is None else _examined(row, json.loads(row.report))


def last_counts() -> Examined | None:
    """Return the counts of the last one, without its report; one short row is read."""
    row = _examinations().filter(number=_LAST).defer("report").first()
    return None if row is None else _examined(row, {})


def _examined(row: Examination, report: dict[str, Any]) -> Examined:
    return Examined(at=row.at, by=row.by, errors=row.errors, warnings=row.warnings, report=report)


def _examinations() -> QuerySet[Examination]:
    return Examination.objects.using(alias())
