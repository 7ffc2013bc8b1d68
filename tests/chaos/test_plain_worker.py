"""The supervisor that plain Celery has in a soak: no run waits for a worker that does not leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos import plain_soak
from tests.chaos.plain_soak import PlainWorker

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("is deaf", flush=True)
signal.pause()
"""


def test_worker_that_does_not_leave_is_killed_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue: list[int] = []
    worker = PlainWorker(
        "default", ["-c", DEAF], log=tmp_path / "log", environment=os.environ, overdue=overdue
    )
    worker.await_line("is deaf")
    monkeypatch.setattr(plain_soak, "GRACE", 0.2)
    worker.stop()
    assert not worker.running
    assert overdue == [worker.pid]
