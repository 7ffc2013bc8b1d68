"""A debugger that speaks the Debug Adapter Protocol, as an editor does: attaches to a port and to all its children."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import Empty, Queue
from typing import Any

PATIENCE = 60.0


class Session:
    """One connection to an adapter: the process that listens, or one of its children."""

    def __init__(
        self, debugger: Debugger, address: tuple[str, int], options: Mapping[str, Any]
    ) -> None:
        self.name = str(options.get("name", "parent"))
        self.pid = options.get("subProcessId")
        self._debugger = debugger
        self._options = options
        self._socket = socket.create_connection(address, timeout=PATIENCE)
        self._numbers = count(1)
        self._answers: dict[int, Queue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self.initialized = threading.Event()
        threading.Thread(target=self._read, name=f"dap-{self.name}", daemon=True).start()

    def attach(self, breakpoints: Mapping[str, list[int]]) -> None:
        """Attach, and set breakpoints before anything goes on."""
        self.ask("initialize", {"clientID": "tests", "adapterID": "debugpy", "pathFormat": "path"})
        # Its answer comes after the configuration.
        attached = self._send("attach", dict(self._options))
        assert self.initialized.wait(PATIENCE), f"{self.name} was not initialized"
        for path, lines in breakpoints.items():
            told = self.ask(
                "setBreakpoints",
                {"source": {"path": path}, "breakpoints": [{"line": line} for line in lines]},
            )
            assert all(each["verified"] for each in told["breakpoints"]), told
        self.ask("configurationDone", {})
        self._answer(attached)

    def ask(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the body of its answer."""
        return self._answer(self._send(command, arguments))

    def close(self) -> None:
        """Leave it to itself: what stands goes on."""
        self.ask("disconnect", {"terminateDebuggee": False})
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _send(self, command: str, arguments: Mapping[str, Any]) -> int:
        with self._lock:
            number = next(self._numbers)
            self._answers[number] = Queue()
            message = {"seq": number, "type": "request", "command": command, "arguments": arguments}
            data = json.dumps(message).encode()
            self._socket.sendall(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        return number

    def _answer(self, number: int) -> dict[str, Any]:
        answer = self._answers[number].get(timeout=PATIENCE)
        assert answer["success"], answer
        body: dict[str, Any] = answer.get("body") or {}
        return body

    def _read(self) -> None:
        stream = self._socket.makefile("rb")
        try:
            while head := stream.readline():
                length = int(head.partition(b":")[2])
                stream.readline()
                self._heard(json.loads(stream.read(length)))
        except (OSError, ValueError):
            return

    def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] == "response":
            self._answers[message["request_seq"]].put(message)
        elif message.get("event") == "initialized":
            self.initialized.set()
        elif message.get("event") == "stopped":
            self._debugger.stops.put((self, message["body"]))
        elif message.get("event") == "debugpyAttach":
            self._debugger.children.put(message["body"])


class Debugger:
    """Attaches to a port and, as it is told of them, to the children of that process."""

    def __init__(self, port: int, breakpoints: Mapping[Path, list[int]]) -> None:
        self._breakpoints = {str(path): lines for path, lines in breakpoints.items()}
        self.stops: Queue[tuple[Session, dict[str, Any]]] = Queue()
        self.children: Queue[dict[str, Any]] = Queue()
        self.sessions: list[Session] = []
        self._attach(("127.0.0.1", port), {"justMyCode": False, "subProcess": True})

    def attach_children(self, number: int) -> list[int]:
        """Attach to so many children, as an editor does by itself; return their ids."""
        for _ in range(number):
            told = self.children.get(timeout=PATIENCE)
            self._attach((told["connect"]["host"], told["connect"]["port"]), told)
        return [session.pid for session in self.sessions if session.pid]

    def stopped(self) -> tuple[Session, dict[str, Any]]:
        """Wait for a process to stop; return its session and the frame where it stands."""
        try:
            session, body = self.stops.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError("nothing stopped at the breakpoint") from None
        stack = session.ask("stackTrace", {"threadId": body["threadId"]})
        return session, {**stack["stackFrames"][0], "threadId": body["threadId"]}

    def close(self) -> None:
        """Leave all processes to themselves; they go on."""
        for session in reversed(self.sessions):
            session.close()

    def _attach(self, address: tuple[str, int], options: Mapping[str, Any]) -> None:
        session = Session(self, address, options)
        self.sessions.append(session)
        session.attach(self._breakpoints)
