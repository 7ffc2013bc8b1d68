"""`python -m jost.demo.load`: asks JOST for a steady mix of work until it is ended; a process of `make demo`."""

from __future__ import annotations

import argparse
import heapq
import logging
import signal
import time
from collections.abc import Sequence
from random import Random
from threading import Event
from typing import TYPE_CHECKING

import django
import requests

if TYPE_CHECKING:
    from jost.demo.makers import Maker

logger = logging.getLogger(__name__)

# The world outside is never quite well.
BEHAVIOUR = {"delay_seconds": 0.05, "fails": 0.02, "too_many": 0.01, "loses_answer": 0.01}
OUTSIDE = ("sms", "crm", "charges", "refunds", "mail")


def run(makers: Sequence[Maker], *, page: str, dice: Random, stop: Event) -> None:
    """Ask for everything at its pace until `stop`; what could not be asked for in time is left out."""
    now = time.monotonic()
    due = [(now + dice.random() * _pause(each), place) for place, each in enumerate(makers)]
    heapq.heapify(due)
    while due and not stop.wait(max(0.0, due[0][0] - time.monotonic())):
        moment, place = due[0]
        ask(makers[place], page=page, dice=dice)
        # From now, if it took long: who was held up does not catch up.
        start = max(moment, time.monotonic() - _pause(makers[place]))
        pause = _pause(makers[place]) * (0.5 + dice.random())
        heapq.heapreplace(due, (start + pause, place))


def ask(maker: Maker, *, page: str, dice: Random) -> None:
    """Ask for one thing; a refusal is told and no reason to stop."""
    from django.db import close_old_connections

    close_old_connections()
    try:
        maker.make(dice, page)
    except Exception:
        # Whoever asked was told so: nothing was recorded, and nothing is owed.
        logger.warning("Asked in vain for %s.", maker.name, exc_info=True)


def disturb(url: str) -> None:
    """Let the gateways be a little slow, fail at times and lose an answer now and then."""
    for kind in OUTSIDE:
        requests.put(f"{url}/{kind}/behaviour", json=BEHAVIOUR, timeout=5).raise_for_status()


def _pause(maker: Maker) -> float:
    return 60.0 / maker.per_minute


def main() -> None:
    """Load until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A steady load over JOST.")
    parser.add_argument("--page", required=True, help="where JOST is: http://127.0.0.1:8000")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked for, and when")
    options = parser.parse_args()
    django.setup()
    from django.conf import settings

    from jost.demo.makers import MAKERS

    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    disturb(settings.JOST_GATEWAYS_URL)
    run(MAKERS, page=options.page, dice=Random(options.seed), stop=stop)  # noqa: S311


if __name__ == "__main__":
    main()
