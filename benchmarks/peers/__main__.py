"""`python -m benchmarks.peers`: measure the systems in turns, add the figures to the recorded ones, print the table.

A round of throughput takes about five minutes for all systems, the faults about twelve: `--part` and `--system` cut
that into pieces, which `--fresh` does not add to what is recorded.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.peers import catalogue, measure, report
from benchmarks.peers.ground import Ground

RESULTS = machine.ROOT / "benchmarks" / "results" / "peers.json"
PARTS: dict[str, tuple[Callable[..., measure.Figures], ...]] = {
    "throughput": (measure.throughput,),
    "faults": (measure.killed, measure.wiped),
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=3, help="of throughput; faults are tried once"
    )
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--system", action="append", choices=catalogue.NAMES)
    parser.add_argument("--fresh", action="store_true", help="forget what is recorded")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    recorded = (
        json.loads(options.output.read_text())
        if options.output.exists() and not options.fresh
        else {"systems": {}}
    )
    systems = [
        each for each in catalogue.ALL if options.system is None or each.name in options.system
    ]
    with Ground() as ground:
        recorded |= {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpu": machine.cpu(),
            "command": "make bench-peers",
            "offered_load": measure.offered_load(),
            "versions": report.versions(redis=ground.broker.version()),
        }
        for part, trials in PARTS.items():
            if options.part not in (None, part):
                continue
            for _ in range(options.rounds if part == "throughput" else 1):
                for system in systems:
                    if part == "throughput" or system.faults:
                        _take(ground, system, trials, recorded["systems"])
                        options.output.write_text(json.dumps(recorded, indent=1) + "\n")
    print(report.table(recorded))


def _take(
    ground: Ground,
    system: catalogue.System,
    trials: tuple[Callable[..., measure.Figures], ...],
    recorded: dict[str, Any],
) -> None:
    row = recorded.setdefault(system.name, {})
    row["keeps"] = system.keeps
    for trial in trials:
        with machine.watched() as others:
            try:
                figures = trial(ground, system)
            except (TimeoutError, RuntimeError) as error:
                print(f"{system.name}, {trial.__name__}: {error}", file=sys.stderr)
                row.setdefault("errors", []).append(
                    f"{trial.__name__}: {str(error).splitlines()[0]}"
                )
                continue
        if not figures:
            continue
        for name, figure in figures.items():
            row.setdefault(name, []).append(None if figure is None else round(figure, 2))
        row.setdefault("busy_with_others", []).append(round(others.share, 3))
        shown = ", ".join(f"{name} {figure}" for name, figure in figures.items())
        print(f"{system.name}: {shown} (others {others.share:.0%})", file=sys.stderr)


if __name__ == "__main__":
    main()
