"""The error report: what became nothing, as a CSV file for whoever mends the rows."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from io import StringIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse

from jost.spreadsheets import harmless

from .models import Import, RowError

# Rows that go to the reader at once: to send each alone takes longer than to read and write them.
AT_A_TIME = 2000
Row = tuple[Any, ...]
_HEADER: Row = ("line", "reason", "text")


def answer(request: HttpRequest, source: Import) -> StreamingHttpResponse:
    """Stream the report; memory holds a few rows of it, however many there are."""
    errors = source.errors.order_by("id")
    # A server of the other kind would gather it all first.
    parts: Any = _awaited_parts(errors) if isinstance(request, ASGIRequest) else _parts(errors)
    name = f"import-{source.pk}-errors.csv"
    return StreamingHttpResponse(
        parts,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _parts(errors: QuerySet[RowError]) -> Iterator[str]:
    gathered: list[Row] = [_HEADER]
    for error in errors.iterator(AT_A_TIME):
        gathered.append((error.line, error.reason, error.text))
        if len(gathered) == AT_A_TIME:
            yield _csv(gathered)
            gathered = []
    yield _csv(gathered)


async def _awaited_parts(errors: QuerySet[RowError]) -> AsyncIterator[str]:
    gathered: list[Row] = [_HEADER]
    async for error in errors.aiterator(AT_A_TIME):
        gathered.append((error.line, error.reason, error.text))
        if len(gathered) == AT_A_TIME:
            yield _csv(gathered)
            gathered = []
    yield _csv(gathered)


def _csv(rows: Iterable[Row]) -> str:
    out = StringIO()
    csv.writer(out).writerows([harmless(str(cell)) for cell in row] for row in rows)
    return out.getvalue()
