"""One run of JOST from start to end: who is started when, who is ended when; runs in the runner of `make up`."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from holdfast.testing.services import redis_answers
from jost.embedded import parent, state
from jost.embedded.console import Console
from jost.embedded.readiness import wait_until_ready
from jost.embedded.supervisor import Keeper, Program

_GLANCE = 0.2
_SLOW_SECONDS = 30
# What has ended so often before anything answered will not work at the next start either.
_HOPELESS = 4


class CannotStart(Exception):
    """JOST cannot start; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run consists of."""

    run: str
    folder: Path
    port: int
    redis: Program | None
    redis_port: int | None
    programs: list[Program]
    afterwards: list[Program] = field(default_factory=list)

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


class Run:
    """Starts what is planned and ends it when interrupted; a second interrupt ends it at once."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan = plan
        self._console = console
        self._keepers: list[Keeper] = []
        self._interrupted = asyncio.Event()

    async def until_interrupted(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP.

        Raises:
            CannotStart: if a process keeps ending before JOST is ready.
        """
        self._listen()
        starting = asyncio.create_task(self._start())
        interrupted = asyncio.create_task(self._interrupted.wait())
        watching = asyncio.create_task(self._watch_make())
        try:
            await asyncio.wait([starting, interrupted], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await interrupted
        finally:
            starting.cancel()
            watching.cancel()
            await self._end()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)

    def _interrupt(self) -> None:
        if self._interrupted.is_set():
            self._console.say("Interrupted again: ending everything at once.")
            for keeper in self._keepers:
                keeper.kill()
        self._interrupted.set()

    async def _watch_make(self) -> None:
        """Take an interrupt of the make that started us for our own."""
        if not parent.started_by_make():
            return
        parent.end_with_parent()
        if not parent.catches_interrupts():
            return
        while not parent.parent_was_interrupted():
            await asyncio.sleep(_GLANCE)
        self._interrupted.set()

    async def _start(self) -> None:
        plan = self._plan
        if plan.redis is not None and plan.redis_port is not None:
            self._keep(plan.redis)
            await self._patiently(self._redis_answers(plan.redis_port), waiting={"redis"})
        for program in plan.programs:
            self._keep(program)
        running = state.Running(
            pid=os.getpid(), page=plan.page, embedded_redis=plan.redis is not None
        )
        state.announce(plan.folder, running)
        waiting: set[str] = set()
        ready = wait_until_ready(port=plan.port, folder=plan.folder, run=plan.run, waiting=waiting)
        await self._patiently(ready, waiting=waiting)
        self._console.say(f"JOST is ready at {plan.page}")
        # Once everything answers: what is asked for earlier would only wait.
        for program in plan.afterwards:
            self._keep(program)
        if plan.afterwards:
            self._console.say(f"The demo is at {plan.page}demo/")

    def _keep(self, program: Program) -> None:
        noted = partial(state.note_process, self._plan.folder, name=program.name)
        keeper = Keeper(program, self._console, noted=lambda pid: noted(pid=pid))
        self._keepers.append(keeper)
        keeper.start()

    async def _redis_answers(self, port: int) -> None:
        while not redis_answers(port):
            await asyncio.sleep(0.02)

    async def _patiently(self, answer: Awaitable[None], *, waiting: set[str]) -> None:
        """Await the answer; say after a while what is missing, and give up on what keeps ending."""
        task = asyncio.ensure_future(answer)
        loop = asyncio.get_running_loop()
        slow = loop.time() + _SLOW_SECONDS
        try:
            while not (await asyncio.wait([task], timeout=_GLANCE))[0]:
                self._give_up_on_the_hopeless()
                if loop.time() > slow:
                    slow += _SLOW_SECONDS
                    self._console.say(f"Still waiting for {', '.join(sorted(waiting))} ...")
            await task
        finally:
            task.cancel()

    def _give_up_on_the_hopeless(self) -> None:
        for keeper in self._keepers:
            if keeper.failures >= _HOPELESS:
                name = keeper.program.name
                raise CannotStart(
                    f"The process {name!r} keeps ending: its lines above say why. Mend that and run "
                    "make up again."
                )

    async def _end(self) -> None:
        self._console.say("Stopping ...")
        # Redis last: the others still hand back what they hold.
        redis = [keeper for keeper in self._keepers if keeper.program is self._plan.redis]
        others = [keeper for keeper in self._keepers if keeper not in redis]
        await asyncio.gather(*(keeper.stop() for keeper in others))
        await asyncio.gather(*(keeper.stop() for keeper in redis))
        self._console.say("JOST has stopped; its data is kept.")
