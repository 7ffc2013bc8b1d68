"""Keeps a set of programs running, and ends them in order; runs in the runner of `make up`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.testing.services import die_with
from jost.embedded.console import Console

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
# A process that lived this long was well: its next end starts at the first delay again.
_WELL_AFTER = 20.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process to keep running, and how it is asked to end: signals, each with seconds to obey."""

    name: str
    command: Sequence[str]
    ending: Sequence[tuple[signal.Signals, float]] = ((signal.SIGTERM, 10),)
    environment: Mapping[str, str] = field(default_factory=dict)


class Keeper:
    """Runs one program, starts it again with growing pauses when it ends, until told to stop."""

    def __init__(
        self, program: Program, console: Console, *, noted: Callable[[int], None] | None = None
    ) -> None:
        """`noted` is told the id of each process."""
        self.program = program
        self._noted = noted
        self.failures = 0
        self._console = console
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start, and go on starting."""
        self._task = asyncio.create_task(self._keep_running(), name=self.program.name)

    async def stop(self) -> None:
        """Ask the process to end, ever more firmly; return when it and its children are gone."""
        self._stopping.set()
        for number, patience in self.program.ending:
            self._signal(number)
            if await self._ended(within=patience):
                return
        self.kill()
        await self._ended(within=5)

    def kill(self) -> None:
        """Kill -9 the process and whatever it has started."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            _kill_group(self._process.pid)

    async def _ended(self, *, within: float) -> bool:
        if self._task is None:
            return True
        done, _ = await asyncio.wait([self._task], timeout=within)
        return bool(done)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            self.failures = 1 if loop.time() - started > _WELL_AFTER else self.failures + 1
            delay = min(_FIRST_DELAY * 2 ** (self.failures - 1), _LONGEST_DELAY)
            self._tell(f"ended ({_reason(code)}); starting it again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _run_once(self) -> int:
        process = self._process = await asyncio.create_subprocess_exec(
            *self.program.command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Its own session: Ctrl-C reaches the runner alone, which ends all in order.
            start_new_session=True,
            preexec_fn=die_with(os.getpid()),
        )
        self._tell(f"started, pid {process.pid}")
        if self._noted is not None:
            self._noted(process.pid)
        reading = asyncio.create_task(self._read(process))
        # Told to stop while the process was being made: it has seen no signal yet.
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        code = await process.wait()
        _kill_group(process.pid)
        await asyncio.wait([reading], timeout=1)
        reading.cancel()
        return code

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._tell(line.decode(errors="replace").rstrip())
        if rest:
            self._tell(rest.decode(errors="replace"))

    def _tell(self, line: str) -> None:
        self._console.tell(self.program.name, line)


def _kill_group(leader: int) -> None:
    """Kill whatever is left of the session that a process of ours led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
