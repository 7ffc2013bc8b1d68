"""`python -m benchmarks.budgets`: count what jobs cost and hold it against the budgets, or record it with --write."""

from __future__ import annotations

import argparse
import sys

from benchmarks.budgets import readings
from benchmarks.budgets.budget import COMMAND, Budgets
from benchmarks.catalogue import DATABASES


def main() -> int:
    """Print every reading beside its budget; return 1 if one is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budgets", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is read the budgets")
    parser.add_argument("--database", choices=DATABASES)
    options = parser.parse_args()
    budgets = Budgets.read()
    exceeded, cheaper = [], []
    for database in (options.database,) if options.database else DATABASES:
        if options.write:
            found = readings.least(readings.take(database), readings.take(database))
        else:
            found, above = budgets.held_against(database)
            exceeded += above
        _show(database, found, budgets)
        cheaper += budgets.well_below(database, found)
        if options.write:
            budgets = budgets.with_readings(database, found)
    if options.write:
        budgets.write()
        return 0
    if cheaper:
        print(f"\nMuch below the budget; record it, so that it stays so: {COMMAND}")
        print("\n".join(f"  {line}" for line in cheaper))
    if exceeded:
        print("\nAbove the budget:")
        print("\n".join(f"  {excess}" for excess in exceeded))
    return 1 if exceeded else 0


def _show(database: str, found: readings.Readings, budgets: Budgets) -> None:
    print(f"\n{database:38} {'':>22} {'counted':>10} {'budget':>10}")
    for step, reading in found.items():
        for measure, value in reading.values.items():
            budget = budgets.values.get(database, {}).get(step, {}).get(measure)
            shown = "-" if budget is None else f"{budget:,.2f}"
            print(f"{step:38} {measure:>22} {value:>10,.2f} {shown:>10}")


if __name__ == "__main__":
    sys.exit(main())
