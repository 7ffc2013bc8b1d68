"""Brokers on other addresses than loopback: in a network of the test's own, which nothing leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.doctor.broker.elsewhere import PRIVATE, PUBLIC
from tests.processes import ROOT

ALONE = ("unshare", "--map-root-user", "--net")


def _can_be_alone() -> bool:
    if not all(shutil.which(program) for program in ("unshare", "ip")):
        return False
    up = [*ALONE, "ip", "link", "set", "lo", "up"]
    return subprocess.run(up, capture_output=True, check=False, timeout=20).returncode == 0


pytestmark = pytest.mark.skipif(
    not _can_be_alone(), reason="this system lets nobody have a network of their own (unshare, ip)"
)


@pytest.mark.parametrize(
    ("host", "options", "id"),
    [
        (PUBLIC, ["--protected-mode", "no"], "E351"),
        (PRIVATE, ["--protected-mode", "no"], "W352"),
        ("203.0.113.1", ["nobody"], "E330"),
        ("127.0.0.1", ["--protected-mode", "no"], ""),
    ],
)
def test_redis_elsewhere(tmp_path: Path, host: str, options: list[str], id: str) -> None:
    command = [sys.executable, "-m", "tests.doctor.broker.elsewhere", str(tmp_path), host, *options]
    done = subprocess.run(
        [*ALONE, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ([id] if id else []), done.stderr
