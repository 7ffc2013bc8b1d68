"""JOST whose workers hang once, in the third chunk of the first import that comes so far."""

from __future__ import annotations

import time
from typing import Any

from celery.signals import worker_init

from jost.settings.test import *  # noqa: F403
from jost.settings.test import DATA_DIR

CHUNK = 3
# Longer than any limit: whoever is not struck is killed by the hard one.
HANG_SECONDS = 60


@worker_init.connect(weak=False)
def hang_once(**_: Any) -> None:
    """Replace what writes a chunk by what hangs, if nobody has hung before."""
    from jost.imports import services, work

    services.GRACE_SECONDS = 1
    write, calls = work._import, iter(range(1_000))  # a fault of its own, at this place

    def hang(*args: Any, **kwargs: Any) -> None:
        mark = DATA_DIR / "has-hung"
        if next(calls) == CHUNK - 1 and not mark.exists():
            mark.touch()
            time.sleep(HANG_SECONDS)
        write(*args, **kwargs)

    work._import = hang
