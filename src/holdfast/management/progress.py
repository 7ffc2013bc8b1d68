"""How far a long wait has come: a bar where a person watches, a line now and then where a log does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from holdfast.management.terminal import Terminal

LINE_SECONDS = 10.0


class Progress(Protocol):
    """Told of every look; shows what it likes of it."""

    def show(self, left: int, text: str) -> None:
        """Say how much is left, in numbers and in words."""


@contextmanager
def progress(terminal: Terminal) -> Iterator[Progress]:
    """Show a bar if somebody watches the remarks and rich is installed, else lines among the remarks."""
    bar = _bar() if terminal.watched else None
    if bar is None:
        yield Lines(terminal)
        return
    with bar:
        yield Bar(bar)


class Lines:
    """A line at once, then at most one in `LINE_SECONDS`, and only when something has changed."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._said = ""
        self._at = float("-inf")

    def show(self, left: int, text: str) -> None:
        del left
        if text != self._said and time.monotonic() - self._at >= LINE_SECONDS:
            self._said, self._at = text, time.monotonic()
            self._terminal.remark(text)


class Bar:
    """As long as the most that was ever left: what is sent meanwhile makes it longer."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._most = 0

    def show(self, left: int, text: str) -> None:
        self._most = max(self._most, left)
        self._bar.update(
            self._task, total=self._most, completed=self._most - left, description=text
        )


def _bar(console: Any = None) -> Any:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress
    except ModuleNotFoundError:
        return None
    return RichProgress(
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console or Console(stderr=True),
        transient=True,
    )
