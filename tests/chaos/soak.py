"""A seeded random mix of load and faults, held to the promises: `python -m tests.chaos.soak`; stops by itself."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django

from holdfast.testing.services import PostgresServer

RESULTS = Path("chaos-results")


def result_file(folder: Path, database: str, seed: int, product: str = "holdfast") -> Path:
    """Return where the record of a run is written."""
    return folder / f"{product}-{database}-{seed}.json"


def main(arguments: list[str] | None = None) -> int:
    """Run one soak; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--db", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--product", choices=["holdfast", "celery"], default="holdfast")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--keep",
        choices=["never", "broken", "always"],
        nargs="?",
        const="always",
        default="never",
        help="keep logs, records and databases: always, or of a run that broke a rule",
    )
    options = parser.parse_args(arguments)
    django.setup()
    from tests.chaos.campaign import say
    from tests.chaos.report import table

    result = run(options)
    options.results.mkdir(parents=True, exist_ok=True)
    path = result_file(options.results, options.db, options.seed, options.product)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))  # noqa: T201  # its user interface
    for name, found in result["broken"].items():
        say(f"broken: {name}: " + "\n  ".join(found[:20]))
    if not result["broken"] and options.product == "holdfast":
        say("every promise held")
    return 1 if result["broken"] else 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run one soak on services of its own; return what became of it."""
    from tests.chaos.campaign import SETTINGS, Soak, say
    from tests.chaos.ground import ground
    from tests.chaos.neighbour import next_door_to
    from tests.chaos.plain_soak import PlainSoak

    # PostgreSQL runs as somebody else when we are root, and must reach its folder.
    directory, data = (Path(tempfile.mkdtemp(prefix="holdfast-soak-")) for _ in range(2))
    broken = True
    try:
        with ExitStack() as stack:
            server = None
            if options.db == "postgres":
                server = stack.enter_context(PostgresServer(data))
            on = stack.enter_context(
                ground(directory, postgres=server, holdfast=SETTINGS, warm=False)
            )
            asked = {"seed": options.seed, "minutes": options.minutes, "database": options.db}
            if options.product == "celery":
                soak: Soak = PlainSoak(on, **asked)
            else:
                soak = Soak(on, **asked, next_door=stack.enter_context(next_door_to(on)))
            stack.callback(soak.kill)
            result = soak.run()
            broken = bool(result["broken"])
        return result
    finally:
        if options.keep == "always" or (options.keep == "broken" and broken):
            say(f"kept {directory}, the files of PostgreSQL in {data}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    sys.exit(main())
