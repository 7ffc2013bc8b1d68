"""A TCP proxy that breaks a connection in the ways a network does; runs in a thread of a test process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from enum import StrEnum
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from holdfast.testing.child import LOOPBACK, ServiceError
from holdfast.testing.ports import free_port

_CHUNK = 65536
# Linger on, zero seconds: closing sends RST instead of FIN.
_LINGER_NONE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What the proxy does with connections, old and new."""

    PASS = "pass"  # noqa: S105  # everything goes through
    DELAY = (
        "delay"  # everything goes through, later, in both directions, each piece by another time
    )
    BLACKHOLE = "blackhole"  # nothing goes through; what was sent arrives when the mode changes
    HALF = "half"  # requests go through, replies do not
    RESET = "reset"  # every connection is answered with RST
    REFUSE = "refuse"  # old connections get RST, new ones find nobody listening


class TcpProxy:
    """Forward a loopback port to a target, in a mode that can be switched at any time.

    In `BLACKHOLE` a new connection is accepted and then silent: a client's connect timeout is not
    exercised by it, its read timeout is.
    """

    def __init__(
        self, port: int, *, host: str = LOOPBACK, tls: ssl.SSLContext | None = None
    ) -> None:
        """Take the target; with `tls`, a server's context, clients speak TLS and the target does not."""
        self.target = (host, port)
        self._tls = tls
        self.port = free_port()
        self._mode = Mode.PASS
        self._delay = self._jitter = 0.0
        self._random = Random()  # noqa: S311  # no secret comes of it
        # Connections that are half-open: their far end is gone, and nobody will ever say so.
        self._stranded: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def mode(self) -> Mode:
        return self._mode

    @property
    def stranded(self) -> int:
        """Return how many connections are half-open."""
        return len(self._stranded)

    def url(self, url: str) -> str:
        """Return the given URL of the target with this proxy's address in it."""
        parts = urlsplit(url)
        account, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{account}{at}{LOOPBACK}:{self.port}"))

    def start(self) -> Self:
        """Listen; return once connections are accepted."""
        self._thread.start()
        self._call(self._listen())
        return self

    def switch(
        self, mode: Mode, *, delay_seconds: float = 0.2, jitter_seconds: float = 0.0
    ) -> None:
        """Change the mode for live and new connections; return once it is in force.

        `DELAY` holds each piece back for `delay_seconds` and up to `jitter_seconds` more.
        """
        self._call(self._switch(mode, delay_seconds=delay_seconds, jitter_seconds=jitter_seconds))

    def cut(self) -> None:
        """Reset every live connection once; the mode stays."""
        self._call(self._reset_all())

    def strand(self) -> None:
        """Leave every live connection half-open for good, as a lost host does; new ones go through.

        The target sees its end closed. The client hears nothing any more, not even an error.
        """
        self._call(self._strand_all())

    def end_stranded(self) -> None:
        """Reset the connections that are half-open, as TCP's own timeouts do in the end."""
        self._call(self._reset_stranded())

    def retarget(self, port: int) -> None:
        """Send new connections to another port, and reset the live ones, as an address that moves does."""
        self.target = (self.target[0], port)
        self.cut()

    def stop(self) -> None:
        """Close everything and end the thread."""
        if not self._thread.is_alive():
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if not self._thread.is_alive():
            coroutine.close()
            raise ServiceError("This proxy is not running: call start() first.")
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._accept, LOOPBACK, self.port, reuse_address=True, ssl=self._tls
        )

    async def _switch(self, mode: Mode, *, delay_seconds: float, jitter_seconds: float) -> None:
        self._mode, self._delay, self._jitter = mode, delay_seconds, jitter_seconds
        if mode is Mode.REFUSE and self._listener is not None:
            self._listener.close()
            self._listener = None
        if mode is not Mode.REFUSE and self._listener is None:
            await self._listen()
        if mode in (Mode.RESET, Mode.REFUSE):
            await self._reset_all()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._reset_all()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        # What was reset is closed in the loop's next turn.
        await asyncio.sleep(0)

    async def _reset_all(self) -> None:
        for stream in list(self._streams):
            _reset(stream)

    async def _strand_all(self) -> None:
        self._stranded |= self._clients
        for target in self._streams - self._clients:
            _reset(target)

    async def _reset_stranded(self) -> None:
        for client in list(self._stranded):
            _reset(client)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._streams.add(writer)
        self._clients.add(writer)
        try:
            await self._connect(reader, writer)
            if writer in self._stranded:
                # Swallow what the client still says, until it gives up.
                while await reader.read(_CHUNK):
                    pass
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            for streams in (self._streams, self._clients, self._stranded):
                streams.discard(writer)
            self._connections.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode in (Mode.RESET, Mode.REFUSE):
            _reset(writer)
            return
        while self._mode is Mode.BLACKHOLE:
            await self._changed.wait()
        upstream, target = await asyncio.open_connection(*self.target)
        self._streams.add(target)
        pumps = [
            asyncio.ensure_future(self._pump(reader, target, reply=False)),
            asyncio.ensure_future(self._pump(upstream, writer, reply=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._streams.discard(target)
            target.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, reply: bool
    ) -> None:
        """Forward one direction; what is held back keeps its order."""
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK):
                if self._mode is Mode.DELAY:
                    await asyncio.sleep(self._delay + self._jitter * self._random.random())
                while self._mode is Mode.BLACKHOLE or (reply and self._mode is Mode.HALF):
                    await self._changed.wait()
                target.write(chunk)
                await target.drain()


def _reset(stream: asyncio.StreamWriter) -> None:
    raw = stream.get_extra_info("socket")
    if raw is not None and raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    stream.transport.abort()
