"""Turns runs into rows: medians with min and max, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.catalogue import Figure

Row = dict[str, Any]
_COLUMNS = ("figure", "database", "holdfast", "celery", "ratio", "min-max", "variant")


def row(
    figure: Figure, ours: Sequence[float], theirs: Sequence[float], context: Mapping[str, Any]
) -> Row:
    """Return one figure; run n of Holdfast and run n of Celery were taken side by side."""
    pairs = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
    return {
        "figure": figure.figure,
        "database": figure.database,
        "variant": figure.variant,
        "holdfast": _rounded(median(ours)),
        "celery": _rounded(median(theirs)),
        "ratio": _rounded(median(ours) / median(theirs)),
        "ratio_min": _rounded(pairs[0]),
        "ratio_max": _rounded(pairs[-1]),
        "holdfast_min": _rounded(min(ours)),
        "holdfast_max": _rounded(max(ours)),
        "celery_min": _rounded(min(theirs)),
        "celery_max": _rounded(max(theirs)),
        "runs": {
            "holdfast": [_rounded(each) for each in ours],
            "celery": [_rounded(each) for each in theirs],
        },
        **context,
    }


def write(rows: Sequence[Row], path: Path) -> None:
    """Put rows into the file, in place of older ones of the same figure and database."""
    taken = {(each["figure"], each["database"]) for each in rows}
    kept: list[Row] = json.loads(path.read_text()) if path.exists() else []
    merged = [each for each in kept if (each["figure"], each["database"]) not in taken]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([*merged, *rows], indent=1) + "\n")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text."""
    lines = [_COLUMNS, *(_cells(each) for each in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(found: Row) -> tuple[str, ...]:
    return (
        found["figure"],
        found["database"],
        f"{found['holdfast']:g}",
        f"{found['celery']:g}",
        f"{found['ratio']:.2f}",
        f"{found['ratio_min']:.2f}-{found['ratio_max']:.2f}",
        found["variant"],
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
