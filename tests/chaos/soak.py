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
PROMISES = (
    "lost",
    "duplicated_atomic",
    "unexplained_duplicates",
    "false_rescues",
    "ran_though_rolled_back",
    "failed_by_a_fault",
)


def broken(result: dict[str, Any]) -> list[str]:
    """Return the names of the promises that did not hold."""
    names = [name for name in PROMISES if result[name]]
    recovery = result["recovery_seconds"]
    late = recovery["max"] is not None and recovery["max"] > recovery["bound"]
    return [*names, *(["recovery_seconds"] if late else [])]


def show(result: dict[str, Any]) -> None:
    """Print the result as a table."""
    rows: list[tuple[str, object]] = [
        ("seed", result["seed"]),
        ("database", result["database"]),
        ("jobs", result["jobs"]),
        ("faults", sum(result["faults"].values())),
        *((f"  {name}", n) for name, n in result["faults"].items()),
        *((name.replace("_", " "), len(result[name])) for name in PROMISES),
        ("bodies run again", result["bodies_run_again"]),
        *(
            (f"recovery {key}".replace("_", " "), value)
            for key, value in result["recovery_seconds"].items()
        ),
    ]
    for name, value in rows:
        print(f"{name:<46}{value!s:>12}")  # noqa: T201  # its user interface


def main(arguments: list[str] | None = None) -> int:
    """Run one soak; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--db", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--keep", action="store_true", help="keep logs and databases")
    options = parser.parse_args(arguments)
    django.setup()
    from tests.chaos.campaign import SETTINGS, Soak, say
    from tests.chaos.ground import ground

    # PostgreSQL runs as somebody else when we are root, and must reach its folder.
    directory, data = (Path(tempfile.mkdtemp(prefix="holdfast-soak-")) for _ in range(2))
    try:
        with ExitStack() as stack:
            server = None
            if options.db == "postgres":
                server = stack.enter_context(PostgresServer(data))
            on = stack.enter_context(ground(directory, postgres=server, holdfast=SETTINGS))
            soak = Soak(on, seed=options.seed, minutes=options.minutes, database=options.db)
            stack.callback(soak.end_producers)
            result = soak.run()
    finally:
        if options.keep:
            say(f"kept {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(data, ignore_errors=True)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{options.seed}.json").write_text(json.dumps(result, indent=2) + "\n")
    show(result)
    names = broken(result)
    say(f"broken: {', '.join(names)}" if names else "every promise held")
    return 1 if names else 0


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    sys.exit(main())
