"""Finds out whether JOST really answers: the page, each worker, the scheduler; runs in the runner of `make up`."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Awaitable, Callable
from pathlib import Path

from django.db import connections

from jost.embedded.programs import WORKER_QUEUES
from jost.embedded.tasks import pulse, pulse_path

_PAUSE = 0.1


async def wait_until_ready(*, port: int, folder: Path, run: str, waiting: set[str]) -> None:
    """Return when everything has answered; `waiting` shows meanwhile what has not."""
    waiting |= {"web", "scheduler", *WORKER_QUEUES}
    workers = [
        _wait(name, waiting, _pulsed(folder, source=name, run=run)) for name in WORKER_QUEUES
    ]
    await asyncio.to_thread(_send_pulses, run)
    await asyncio.gather(
        _wait("web", waiting, lambda: asyncio.to_thread(_page_answers, port)),
        _wait("scheduler", waiting, _pulsed(folder, source="scheduler", run=run)),
        *workers,
    )


async def _wait(name: str, waiting: set[str], answers: Callable[[], Awaitable[bool]]) -> None:
    while not await answers():
        await asyncio.sleep(_PAUSE)
    waiting.discard(name)


def _send_pulses(run: str) -> None:
    try:
        for worker, name in WORKER_QUEUES.items():
            pulse.apply_async(args=(worker, run), queue=name)
    finally:
        connections.close_all()


def _pulsed(folder: Path, *, source: str, run: str) -> Callable[[], Awaitable[bool]]:
    """Return a question: has a job of *this* run arrived there? Pulses of earlier runs do not count."""

    async def question() -> bool:
        try:
            return pulse_path(folder, source=source).read_text() == run
        except FileNotFoundError:
            return False

    return question


def _page_answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
