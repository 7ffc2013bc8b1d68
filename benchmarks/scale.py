"""What grows and what must not: many workers, many rows, many jobs. Absolute figures, each with the goal it has.

`python -m benchmarks.scale` writes `benchmarks/results/scale.json`. Each figure takes some minutes and can be taken
alone (`--figure`); the others in the file stay as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import cluster, crowds, footprint, machine, watchers
from benchmarks.stand import Stand

RESULTS = machine.ROOT / "benchmarks" / "results" / "scale.json"
FIGURES: dict[str, tuple[Callable[..., dict[str, Any]], tuple[str, ...], str]] = {
    "idle-cluster": (cluster.idle, ("postgres",), "at most 5 statements a second of 50 workers"),
    "drain-workers": (cluster.drain, ("postgres", "sqlite"), "grows, and says with what it ends"),
    "wiped-broker": (
        crowds.wiped,
        ("postgres",),
        "of 1,000,000 queued jobs one runs within 15 s, all are published again within 120 s, none twice",
    ),
    "batch": (crowds.batch, ("postgres", "sqlite"), "10 % more than the same jobs without one"),
    "far-etas": (
        crowds.far_etas,
        ("postgres", "sqlite"),
        "100,000 cost a worker no memory; what is due at low load begins within 1 s",
    ),
    "watchers": (
        watchers.watchers,
        ("postgres", "sqlite"),
        "20 open consoles cost a drain nothing that can be seen",
    ),
    "start": (footprint.start, ("postgres", "sqlite"), "80 ms more than plain Celery in Django"),
    "memory": (footprint.memory, ("postgres", "sqlite"), "8 MiB more a process (PSS)"),
}


def main() -> None:
    """Take what was asked for, print it and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--figure", choices=FIGURES)
    parser.add_argument("--database", choices=("postgres", "sqlite"))
    parser.add_argument("--share", type=float, default=1.0, help="of the jobs; for a look")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    found: list[dict[str, Any]] = (
        json.loads(options.output.read_text()) if options.output.exists() else []
    )
    for figure in [options.figure] if options.figure else FIGURES:
        measure, databases, goal = FIGURES[figure]
        for database in [options.database] if options.database else databases:
            row = _take(measure, database, share=options.share)
            row = {"figure": figure, "database": database, "goal": goal, **row}
            print(json.dumps(row, indent=1), flush=True)
            found = [
                each for each in found if (each["figure"], each["database"]) != (figure, database)
            ]
            found.append(row)
            options.output.write_text(json.dumps(found, indent=1) + "\n")


def _take(measure: Callable[..., dict[str, Any]], database: str, *, share: float) -> dict[str, Any]:
    begun = datetime.now(UTC)
    with Stand({database}) as stand, machine.watched() as others:
        row = measure(stand, database, share=share)
    return {
        **row,
        "date": begun.isoformat(timespec="seconds"),
        "busy_with_others": round(others.share, 3),
        "cpu": machine.cpu(),
        "holdfast": machine.commit(),
    }


if __name__ == "__main__":
    main()
