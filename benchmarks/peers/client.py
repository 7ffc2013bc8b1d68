"""Sends jobs of one system in a fresh process and prints how long that took; started by the driver."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from typing import Any

PACE_SECONDS = 0.02


def main() -> None:
    """Send, and print the seconds as JSON; the first call, which connects, is not timed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("module")
    parser.add_argument("body")
    parser.add_argument("way", choices=("loop", "bulk", "paced"))
    parser.add_argument("count", type=int)
    parser.add_argument("--warm", action="store_true", help="send one job first that is not timed")
    options = parser.parse_args()
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        import django

        django.setup()
    system: Any = importlib.import_module(options.module)
    if options.warm:
        system.send(options.body, 0)
    begun = time.perf_counter()
    if options.way == "bulk":
        system.send_many(options.body, range(options.count))
    elif options.way == "paced":
        _paced(system, options.body, options.count)
    else:
        for number in range(options.count):
            system.send(options.body, number)
    print(json.dumps({"seconds": time.perf_counter() - begun}))


def _paced(system: Any, body: str, count: int) -> None:
    due = time.monotonic()
    for _ in range(count):
        time.sleep(max(0.0, due - time.monotonic()))
        due += PACE_SECONDS
        system.send(body, time.monotonic())


if __name__ == "__main__":
    main()
