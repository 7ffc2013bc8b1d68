"""`--watch`: what appears and what is mended is printed as it is seen, until somebody interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer, die_with
from tests.doctor.broker.clinic import Clinic
from tests.eventually import eventually


@pytest.fixture
def watching(
    clinic: Clinic, healthy_redis: RedisServer
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A doctor who looks all the time, and what it has printed."""
    told = clinic.folder / "told.txt"
    bind = die_with(os.getpid())

    def begin() -> None:
        bind()
        # Tests that run in the background ignore SIGINT, and would hand that on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = ["-m", "holdfast.doctor", "--watch", "0.5", "--only", "broker", "--timeout", "30"]
    with told.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=clinic.folder,
            env=clinic.environment(broker=healthy_redis.url),
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=begin,  # noqa: PLW1509  # two system calls
        )
    yield process, told
    process.kill()
    process.wait(10)


def test_what_appears_and_what_is_mended_is_told(
    watching: tuple[subprocess.Popen[bytes], Path], healthy_redis: RedisServer
) -> None:
    process, told = watching
    eventually(lambda: "Nothing is wrong" in told.read_text())
    try:
        healthy_redis.command("CONFIG SET timeout 60")
        eventually(lambda: "APPEARED holdfast.W347" in told.read_text())
    finally:
        healthy_redis.command("CONFIG SET timeout 0")
    eventually(lambda: "MENDED   holdfast.W347" in told.read_text())
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, told.read_text()
    # Each once, however often it was seen.
    assert told.read_text().count("W347") == 2
