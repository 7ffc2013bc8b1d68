"""Measures Holdfast against plain Celery side by side and writes `benchmarks/results/core.json`: `make bench`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.catalogue import DATABASES, NAMES, Round, rounds
from benchmarks.stand import Stand
from benchmarks.trials import Metrics, Trial

RESULTS = machine.ROOT / "benchmarks" / "results" / "core.json"
# A trial beside which somebody else used more of the machine than this is taken again.
DISTURBED_SHARE = 0.2
TRIES = 2

Runs = dict[str, list[Metrics]]


def main() -> None:
    """Run what was asked for, print the table, and write it down unless it was only a look."""
    options = _options()
    databases = (options.database,) if options.database else DATABASES
    chosen = [
        each.only(figure=options.figure, databases=databases)
        for each in rounds(quick=options.quick)
    ]
    begun = datetime.now(UTC)
    rows: list[report.Row] = []
    with Stand(set(databases)) as stand:
        for group in chosen:
            shares: list[float] = []
            runs = _interleaved(stand, group, options=options, shares=shares)
            context = _context(stand, begun=begun, repeats=options.repeats, shares=shares)
            found = _rows(group, runs, context)
            rows += found
            if found:
                print(f"\n{report.table(found)}\n", flush=True)
            if options.output is not None and found:
                report.write(found, options.output)
    if len([each for each in chosen if each.figures]) > 1:
        print(report.table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs, once; no file")
    parser.add_argument("--figure", choices=NAMES, help="only this figure; the file keeps the rest")
    parser.add_argument("--database", choices=DATABASES, help="only on this database")
    parser.add_argument("--repeats", type=int, help="runs of each trial (default 5)")
    parser.add_argument("--tries", type=int, default=TRIES, help="of a disturbed trial (default 2)")
    parser.add_argument("--output", type=Path, help="the JSON file (default: results/core.json)")
    options = parser.parse_args()
    options.repeats = options.repeats or (1 if options.quick else 5)
    if options.output is None and not options.quick:
        options.output = RESULTS
    return options


def _interleaved(
    stand: Stand, group: Round, *, options: argparse.Namespace, shares: list[float]
) -> Runs:
    """Take every trial once, then every trial again: A B C A B C."""
    runs: Runs = defaultdict(list)
    repeats: int = options.repeats
    for number in range(1, repeats + 1):
        for trial in group.trials:
            metrics = _undisturbed(stand, trial, tries=options.tries, shares=shares)
            runs[trial.name].append(metrics)
            said = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
            print(f"  {number}/{repeats}  {trial.name:32} {said}  [{shares[-1]:.0%}]", flush=True)
    return runs


def _undisturbed(stand: Stand, trial: Trial, *, tries: int, shares: list[float]) -> Metrics:
    """Take a trial, again if others were busy meanwhile; the last try counts in any case."""
    for attempt in range(1, tries + 1):
        stand.clear(trial.contender)
        machine.wait_for_quiet()
        with machine.watched() as others:
            metrics = trial.measure(stand, trial.contender)
        if others.share <= DISTURBED_SHARE or attempt == tries:
            break
        print(f"       {trial.name:32} again: others used {others.share:.0%}", flush=True)
    shares.append(others.share)
    return metrics


def _rows(group: Round, runs: Runs, context: dict[str, Any]) -> list[report.Row]:
    return [
        report.row(
            figure,
            [each[figure.metric] for each in runs[figure.holdfast]],
            [each[figure.metric] for each in runs[figure.celery]],
            context,
        )
        for figure in group.figures
    ]


def _context(stand: Stand, *, begun: datetime, repeats: int, shares: list[float]) -> dict[str, Any]:
    postgres = ""
    if "postgres" in stand.databases:
        postgres = stand.postgres.execute("SHOW server_version")
    return {
        "date": begun.isoformat(timespec="seconds"),
        "cpu": machine.cpu(),
        "repeats": repeats,
        "busy_with_others": {
            "mean": round(sum(shares) / len(shares), 3) if shares else 0.0,
            "max": round(max(shares, default=0.0), 3),
        },
        "command": shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]),
        "versions": machine.versions(redis=stand.broker.version(), postgres=postgres),
    }


if __name__ == "__main__":
    main()
