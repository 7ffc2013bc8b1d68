"""The world outside for tests: real gateways in a process of their own, told how to behave, asked what happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from holdfast.testing.services import free_port

PATIENCE = 10


class Outside:
    """Gateways that run while the block does; `kill` and `start` again lose nothing they recorded."""

    def __init__(self, folder: Path, *, seed: int = 1) -> None:
        self._record = folder / "gateways.sqlite3"
        self._seed = seed
        self._port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return once it listens."""
        options = ["--port", str(self._port), "--record", str(self._record)]
        command = [sys.executable, "-m", "jost.gateways.server", *options]
        self._process = subprocess.Popen(
            [*command, "--seed", str(self._seed)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert "gateways at" in self._process.stdout.readline()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def await_death(self) -> None:
        """Return once it has died as it was told to."""
        assert self._process is not None
        self._process.wait(PATIENCE)
        self.kill()

    def tell(self, kind: str, **behaviour: Any) -> None:
        """Change how one gateway behaves, in the words of `jost.gateways.behaviour`."""
        answer = requests.put(f"{self.url}/{kind}/behaviour", json=behaviour, timeout=PATIENCE)
        assert answer.ok, answer.text

    def totals(self, kind: str) -> dict[str, int]:
        """Effects, different keys, keys that happened twice, and calls by answer."""
        everything = requests.get(f"{self.url}/record", timeout=PATIENCE).json()
        nothing = {"effects": 0, "keys": 0, "twice": 0}
        totals: dict[str, int] = everything.get(kind, nothing)
        return totals

    def effects(self, kind: str, *, key: str | None = None) -> list[dict[str, Any]]:
        """What happened, the oldest first."""
        query = {} if key is None else {"key": key}
        answer = requests.get(f"{self.url}/{kind}", params=query, timeout=PATIENCE)
        effects: list[dict[str, Any]] = answer.json()["effects"]
        return effects

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
