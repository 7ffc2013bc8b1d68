"""Sends a seeded mix of jobs in every way a project does, and notes what it has committed; runs as its own process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import django
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

PAUSE = 0.12


def main(*, seed: int, journal: Path, stop: Path) -> None:
    """Send until the stop file is there; what the database refuses is not noted, and not retried."""
    import tests.project  # noqa: F401  # makes its app the current one
    from tests.chaos.ways import WAYS

    rng = Random(seed)
    while not stop.exists():
        send = rng.choice(WAYS)
        try:
            close_old_connections()
            what, results = send(rng)
            note(journal, what, results)
        except (DatabaseError, InterfaceError):
            # Committed or not, nobody told us: the ledger's own rows are judged all the same.
            connection.close()
        time.sleep(rng.random() * PAUSE * 2)


def note(journal: Path, what: str, results: Iterable[Any]) -> None:
    """Append what is certain, one write for all: the process may be killed after any of them."""
    ids = [result.id for first in results for result in lineage(first)]
    handle = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, "".join(f"{what} {id}\n" for id in ids).encode())
    os.close(handle)


def lineage(result: Any) -> Iterable[Any]:
    """Return a result with all that must be done before it: the steps of its chain, the members of its chord."""
    parents = [] if result.parent is None else lineage(result.parent)
    members = getattr(result, "results", None)
    return [*parents, *([result] if members is None else members)]


if __name__ == "__main__":
    django.setup()
    main(seed=int(sys.argv[1]), journal=Path(sys.argv[2]), stop=Path(sys.argv[3]))
