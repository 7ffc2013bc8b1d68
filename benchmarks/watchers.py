"""What open consoles take of the workers: a drain with many of them watching, and without, in turns."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import psutil

from benchmarks.catalogue import holdfast
from benchmarks.stand import Contender, Stand
from benchmarks.trials import drain
from holdfast.testing.child import Child

WATCHERS, JOBS, ROUNDS = 20, 20_000, 5
PATIENCE_SECONDS = 30.0


def watchers(stand: Stand, database: str, *, share: float) -> dict[str, Any]:
    """Drain jobs with 20 event streams of one web process open, and with none."""
    contender = holdfast(database)
    measure = drain(task="noop", count=int(JOBS * share))
    rounds = []
    for _ in range(ROUNDS):
        taken: dict[str, float] = {}
        for way in ("without", "with"):
            stand.clear(contender)
            if way == "without":
                taken[way] = measure(stand, contender)["rate"]
                continue
            with _watched(stand, contender) as (web, streams):
                before, begun = _cpu_seconds(web), time.monotonic()
                taken[way] = measure(stand, contender)["rate"]
                taken["busy"] = (_cpu_seconds(web) - before) / (time.monotonic() - begun)
                taken["ticks"] = float(streams.least())
        rounds.append(taken)
    ratios = [each["with"] / each["without"] for each in rounds]
    return {
        "watchers": WATCHERS,
        "jobs": int(JOBS * share),
        "rounds": ROUNDS,
        "rate": {way: round(median(each[way] for each in rounds)) for way in ("with", "without")},
        "ratio": round(median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "web_busy_cores": round(median(each["busy"] for each in rounds), 3),
        "ticks_a_watcher": round(median(each["ticks"] for each in rounds)),
    }


class Streams:
    """Open event streams, read by a thread of their own; each counts its ticks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ticks = [0] * WATCHERS
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def least(self) -> int:
        """Return the ticks that each of them has got at least."""
        return min(self._ticks)

    def open(self) -> None:
        """Open them, and wait until each has got a tick."""
        self._thread.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.least():
            if time.monotonic() > deadline:
                raise TimeoutError(f"some of the streams got no tick: {self._ticks}")
            time.sleep(0.05)

    def close(self) -> None:
        """Leave."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        reading = [self._loop.create_task(self._read(number)) for number in range(WATCHERS)]
        self._loop.run_forever()
        for task in reading:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*reading, return_exceptions=True))
        self._loop.close()

    async def _read(self, number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            b"GET /holdfast/events/ HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        )
        try:
            while line := await reader.readline():
                self._ticks[number] += line.startswith(b"event: tick")
        finally:
            writer.close()


@contextmanager
def _watched(stand: Stand, contender: Contender) -> Iterator[tuple[Child, Streams]]:
    """Run a web process and streams around the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "benchmarks.project.web:application"]
    command += ["--port", str(port), "--log-level", "warning", "--lifespan", "off"]
    environment = stand.environment(contender) | {"BENCH_WEB": "1"}
    web = Child(command, log=stand.directory / "web.log", environment=environment)
    streams = Streams(port)
    try:
        _await_port(port, web)
        streams.open()
        yield web, streams
        streams.close()
    finally:
        web.end_family()


def _cpu_seconds(web: Child) -> float:
    times = psutil.Process(web.pid).cpu_times()
    return float(times.user + times.system)


def _await_port(port: int, web: Child) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline or not web.running:
                raise RuntimeError(f"The web process does not answer:\n{web.log_tail()}") from None
            time.sleep(0.1)
        else:
            return
