"""How a process of a prefork pool shows where it stands: by a signal, whatever its Python does at the moment.

The main process sets the handler before it forks, so no process is ever without: it writes the stack of the thread that
runs bodies, by C code that needs no lock and allocates nothing, into a file of the process's own. What if it dies here?
The files are small, in a directory of the worker's own, and it takes them away at its end; kill -9 leaves them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from billiard.process import current_process
from celery.signals import worker_process_init

from holdfast.worker.stacks import MOST_FRAMES, Stack

logger = logging.getLogger("holdfast.worker")
# Bytes that are read of one process; it writes at most 100 frames.
MOST_BYTES = 64 * 1024
_LINE = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
_HEAD = "(most recent call first)"
# The last line of a whole stack: where the program began, or what says that there is more. Another one is taken for the
# last when nothing has been written behind it for a while.
_END = re.compile(r"( in (<module>|_run_module_as_main)|\n  \.\.\.)\n\Z")
WRITTEN_SECONDS = 0.1


class ChildStacks:
    """The signal that a worker's processes answer, and where they write; `reason` says why they cannot."""

    def __init__(self) -> None:
        self.reason = "its pool has no processes"
        self._number: int | None = None
        self._directory: Path | None = None
        # Kept open: the handler has its descriptor.
        self._file: IO[bytes] | None = None

    def install(self) -> None:
        """Set the handler; in the main process, before its pool is made."""
        number = _free_signal()
        if number is None:
            self.reason = "another part of the project handles every signal that could ask for them"
            return
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="holdfast-stacks-"))
            self._open("main", number)
        except OSError as error:
            self.reason = f"its directory for temporary files cannot be written ({error})"
            return
        self._number, self.reason = number, ""
        worker_process_init.connect(self._open_own, weak=False)

    def remove(self) -> None:
        """Take the files away; a process that is asked after this writes into one that has no name any more."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def ask(self, processes: Iterable[Any]) -> None:
        """Have processes write their stacks, in place of what they wrote before."""
        if self._number is None:
            return
        for process in processes:
            with contextlib.suppress(OSError):
                os.truncate(self._place(process), 0)
            with contextlib.suppress(OSError):
                os.kill(process.pid, self._number)

    def answers(self, processes: Iterable[Any], *, jobs: Mapping[int, str]) -> list[Stack]:
        """Return what those have written that have written all of it; `jobs` says by process id what each runs."""
        found = []
        for process in processes:
            try:
                with self._place(process).open("rb") as file:
                    text = file.read(MOST_BYTES).decode(errors="replace")
                    written_at = os.fstat(file.fileno()).st_mtime
            except OSError:
                continue
            over = text.endswith("\n") and time.time() - written_at > WRITTEN_SECONDS
            if over or _END.search(text):
                frames = parse(text)
                found.append(
                    Stack(
                        name=f"process {process.pid}",
                        kind="process",
                        frames=tuple(frames[:MOST_FRAMES]),
                        job=jobs.get(process.pid),
                        cut=len(frames) > MOST_FRAMES or text.endswith("...\n"),
                    )
                )
        return found

    def _open_own(self, **_: Any) -> None:
        """Write into a file of its own from now on; in a new process of the pool."""
        if self._number is None:
            return
        try:
            self._open(str(current_process().index), self._number)
        except OSError as error:
            logger.warning("This process cannot show its stack: %s", error)

    def _open(self, name: str, number: int) -> None:
        assert self._directory is not None
        # Appended to: a process that is asked twice does not write over what it wrote.
        flags = os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        file = os.fdopen(os.open(self._directory / name, flags, 0o600), "ab", buffering=0)
        # Its own thread alone: to walk the others while they run may end the process. System calls go on after it.
        faulthandler.register(number, file=file, all_threads=False, chain=False)
        self._file = file

    def _place(self, process: Any) -> Path:
        assert self._directory is not None
        # By its place in the pool: the process that follows it has the same, and the files stay few.
        return self._directory / str(process.index)


def parse(text: str) -> list[str]:
    """Return the frames of the last stack in a dump."""
    last = text.rpartition(_HEAD)[2]
    return [f"{found['file']}:{found['line']} in {found['name']}" for found in _LINE.finditer(last)]


def _free_signal() -> int | None:
    """Return a signal that nobody handles: its default would end the process."""
    first = getattr(signal, "SIGRTMIN", None)
    for number in (*(() if first is None else range(first + 8, first + 12)), signal.SIGUSR2):
        if signal.getsignal(number) is signal.SIG_DFL:
            return int(number)
    return None
