"""Many soaks in a row, each a process of its own: `python -m tests.chaos.series`; what has a result runs no more."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django

from tests.chaos.soak import RESULTS, result_file

# A run starts, becomes quiet, settles and is judged: so many seconds beside its minutes, at most.
AROUND = 240.0
EACH = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds that have no result yet, then tell what all of them come to; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.series", description=__doc__)
    parser.add_argument("--seeds", default="1-20", help="first and last, as 1-20")
    parser.add_argument("--minutes", type=float, default=6.0, help="of each seed")
    parser.add_argument("--db", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--within", type=float, default=float("inf"), help="minutes; then no more")
    parser.add_argument("--product", choices=["holdfast", "celery"], default="holdfast")
    parser.add_argument("--keep", choices=["never", "broken", "always"], default="never")
    options = parser.parse_args(arguments)
    django.setup()
    from tests.chaos.report import summary, summary_table, wanting

    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    over = time.monotonic() + options.within * 60
    for seed in seeds:
        done = result_file(options.results, options.db, seed, options.product).exists()
        if not done and time.monotonic() < over:
            _run(seed, options)
    found = results(options.results, options.db, options.product, seeds)
    if not found:
        sys.exit("no run has a result: see what it printed")
    told = summary(found)
    path = options.results / f"summary-{options.product}-{options.db}.json"
    path.write_text(json.dumps(told, indent=2) + "\n")
    lacking = wanting(found, each=EACH)
    others = [json.loads(one.read_text()) for one in options.results.glob("summary-*.json")]
    print(summary_table(others))  # noqa: T201  # its user interface
    print("\n".join(lacking))  # noqa: T201  # the same
    print(f"{len(found)} of {len(seeds)} seeds, in {path}")  # noqa: T201  # the same
    return 1 if told["broken"] or len(found) < len(seeds) else 0


def results(
    folder: Path, database: str, product: str, seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the recorded runs of these seeds."""
    files = [result_file(folder, database, seed, product) for seed in seeds]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def _run(seed: int, options: argparse.Namespace) -> None:
    """Run one seed to its end; one that hangs is ended, and has no result."""
    command = [sys.executable, "-m", "tests.chaos.soak", "--seed", str(seed)]
    command += ["--minutes", str(options.minutes), "--db", options.db]
    command += ["--results", str(options.results), "--product", options.product]
    command += ["--keep", options.keep]
    try:
        subprocess.run(command, check=False, timeout=options.minutes * 60 + AROUND)
    except subprocess.TimeoutExpired:
        print(f"seed {seed} did not end in time")  # noqa: T201  # its user interface


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    sys.exit(main())
