"""Sends a seeded mix of jobs in every way a project does, at a pace; runs as its own process, many side by side."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

import django
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.utils.module_loading import import_string

from tests.chaos import record
from tests.chaos.sender import Sender

LOOK = 0.02


def main(
    *,
    seed: int,
    journal: Path,
    stop: Path,
    per_second: float = 8.0,
    ways: str = "tests.chaos.ways.HARMLESS",
) -> None:
    """Send in these ways until the stop file is there, so many a second; what is refused is not sent again.

    While the file `stop`.slower is there nothing is sent: too much waits already.
    """
    chosen = import_string(ways)
    note = partial(record.append, journal)
    by = Sender(Random(seed), note)
    slower = stop.with_suffix(".slower")
    pace = Pace(per_second)
    while not stop.exists():
        if slower.exists() or not pace.due():
            time.sleep(LOOK)
            continue
        way = by.rng.choice(chosen)
        began = record.now()
        try:
            close_old_connections()
            way(by)
            note([f"call {way.__name__} {began:.3f} {record.now() - began:.3f} {os.getpid()}"])
        except (DatabaseError, InterfaceError):
            # Committed or not, nobody told us: the ledger's own rows are judged all the same.
            connection.close()
        except Exception as error:  # noqa: BLE001  # the judge wants to see it
            note([f"raised {way.__name__} {began:.3f} {type(error).__name__}"])


class Pace:
    """So many calls in a second on average: what was missed while something was away is made up for, but not all."""

    def __init__(self, per_second: float) -> None:
        self.between = 1 / per_second
        self.next = record.now()

    def due(self) -> bool:
        """Tell whether it is time for one more."""
        now = record.now()
        self.next = max(self.next, now - 20)
        if now < self.next:
            return False
        self.next += self.between
        return True


if __name__ == "__main__":
    django.setup()
    seed, journal, stop, *more = sys.argv[1:]
    pace = {"per_second": float(more[0]), "ways": more[1]} if more else {}
    main(seed=int(seed), journal=Path(journal), stop=Path(stop), **pace)  # type: ignore[arg-type]  # as it is parsed
