"""Writes the lines of all processes to one terminal, each with its name; runs in the runner of `make up`."""

from __future__ import annotations

import contextlib
import os
import queue
import threading

_COLOURS = (36, 32, 33, 35, 34, 31)
_WIDTH = 10
_STDOUT = 1


class Console:
    """A thread that writes; whoever logs never waits for a terminal or pipe that nobody reads.

    When the reader stops for long, the newest lines are dropped: stopping JOST must not depend on it.
    """

    def __init__(self, descriptor: int = _STDOUT) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=10_000)
        self._colours: dict[str, int] = {}
        self._coloured = os.isatty(descriptor) and "NO_COLOR" not in os.environ
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        """Write a line of the runner's own."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def tell(self, name: str, line: str) -> None:
        """Write a line of one process, with its name in front."""
        label = f"{name:<{_WIDTH}}|"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            label = f"\033[{colour}m{label}\033[0m"
        self.say(f"{label} {line}")

    def close(self, *, timeout: float = 2) -> None:
        """Write what is left, unless nobody reads."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        # Straight to the descriptor: a blocked write must hold no lock the interpreter needs to end.
        while (line := self._lines.get()) is not None:
            data = f"{line}\n".encode(errors="replace")
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except OSError:
                    return
