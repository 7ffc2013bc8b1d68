"""The error report: what became nothing, as a CSV file for whoever mends the rows."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from jost.spreadsheets import harmless

from .models import Import, RowError

AT_A_TIME = 2000
_HEADER = ("line", "reason", "text")


def answer(request: HttpRequest, source: Import) -> StreamingHttpResponse:
    """Stream the report; memory holds a few rows of it, however many there are."""
    errors = source.errors.order_by("id")
    # A server of the other kind would gather it all first.
    lines: Any = _one_by_one(errors) if isinstance(request, ASGIRequest) else _lines(errors)
    name = f"import-{source.pk}-errors.csv"
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(errors: QuerySet[RowError]) -> Iterator[str]:
    yield _line(*_HEADER)
    for error in errors.iterator(AT_A_TIME):
        yield _line(error.line, error.reason, error.text)


async def _one_by_one(errors: QuerySet[RowError]) -> AsyncIterator[str]:
    yield _line(*_HEADER)
    async for error in errors.aiterator(AT_A_TIME):
        yield _line(error.line, error.reason, error.text)


def _line(*cells: object) -> str:
    out = StringIO()
    csv.writer(out).writerow([harmless(str(cell)) for cell in cells])
    return out.getvalue()
