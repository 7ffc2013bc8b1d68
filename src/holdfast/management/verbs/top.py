"""Watch queues, workers, rates and troubles in the terminal, as they are now."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from holdfast.console.attention import Trouble
from holdfast.console.encode import as_json
from holdfast.console.snapshots import Camera, Snapshot
from holdfast.ledger.database import close_connection
from holdfast.ledger.reads import worker_reads
from holdfast.management import plain
from holdfast.management.terminal import Terminal

# So many of the latest figures make the small charts.
REMEMBERED = 60


def add_arguments(parser: CommandParser) -> None:
    """Take how often to look, how often in all, and how to print it."""
    parser.add_argument(
        "--every", type=_seconds, default=2.0, metavar="SECONDS", help="between two looks; 2"
    )
    parser.add_argument("--looks", type=int, metavar="N", help="end after so many looks")
    parser.add_argument("--once", action="store_true", help="print one look and end")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each look")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Look again and again until it is interrupted; only a look that is the last may fail.

    Raises:
        CommandError: rich is not installed and looks are to be drawn, or the database did not answer the last one.
    """
    looks = 1 if options["once"] else options["looks"]
    try:
        if options["json"]:
            _print_lines(terminal, every=options["every"], looks=looks)
        elif looks == 1 and not _has_rich():
            for snapshot, workers in _looks(every=options["every"], looks=looks):
                terminal.say(plain.text(snapshot, workers))
        else:
            _draw(terminal, every=options["every"], looks=looks)
    except KeyboardInterrupt:
        return


def _has_rich() -> bool:
    try:
        import rich.console  # noqa: F401  # asked for alone
    except ModuleNotFoundError:
        return False
    return True


def _print_lines(terminal: Terminal, *, every: float, looks: int | None) -> None:
    for snapshot, workers in _looks(every=every, looks=looks):
        seen = as_json(snapshot) | {"troubles": [_trouble(each) for each in snapshot.troubles]}
        seen["workers"] = [as_json(each) | {"state": each.state} for each in workers]
        del seen["tail"]  # the console's own book-keeping
        terminal.json(seen)


def _trouble(trouble: Trouble) -> dict[str, str]:
    return {
        "kind": trouble.kind,
        "severity": trouble.severity.label,
        "sentence": trouble.sentence,
        "url": trouble.url,
    }


def _draw(terminal: Terminal, *, every: float, looks: int | None) -> None:
    try:
        from rich.console import Console, RenderableType
        from rich.live import Live
    except ModuleNotFoundError:
        raise CommandError(
            "The picture needs rich: pip install 'holdfast[progress]'. Without it there are --once and --json."
        ) from None
    from holdfast.management import picture

    console = Console(no_color=not terminal.colourful)
    rates: deque[float] = deque(maxlen=REMEMBERED)
    depths: deque[int] = deque(maxlen=REMEMBERED)

    def frames() -> Iterator[RenderableType]:
        for snapshot, workers in _looks(every=every, looks=looks):
            rates.append(snapshot.figures.ended_per_second)
            depths.append(snapshot.figures.queued)
            yield picture.frame(snapshot, workers, rates=rates, depths=depths)

    if looks == 1 or not console.is_terminal:
        for frame in frames():
            with console.capture() as captured:
                console.print(frame)
            terminal.say(captured.get())
        return
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        for frame in frames():
            live.update(frame, refresh=True)


def _looks(
    *, every: float, looks: int | None
) -> Iterator[tuple[Snapshot, list[worker_reads.LiveWorker]]]:
    """Yield what is seen at each look; a database that is away is told in the look, with what was seen last."""
    camera, last, done = Camera(), Snapshot(), 0
    workers: list[worker_reads.LiveWorker] = []
    while True:
        begun = time.monotonic()
        done += 1
        try:
            last, workers = camera.take(), worker_reads.workers()
        except Error as error:
            if done == looks:
                raise
            close_connection()
            camera, last = Camera(), _stale(last, str(error).strip())
        yield last, workers
        if done == looks:
            return
        time.sleep(max(0.0, every - (time.monotonic() - begun)))


def _stale(last: Snapshot, error: str) -> Snapshot:
    return replace(last, error=f"The ledger's database does not answer: {error}")


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if found <= 0:
        raise ArgumentTypeError(f"{text!r} is no number of seconds greater than 0")
    return found
