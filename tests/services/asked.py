"""Which services and tools of the system a run was asked for: TEST_SERVICES="prometheus nginx"."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT


def needs(service: str) -> pytest.MarkDecorator:
    """Skip a test unless its service was asked for; one that was asked for and is not there fails it."""
    asked = os.environ.get("TEST_SERVICES", "").split()
    return pytest.mark.skipif(
        service not in asked, reason=f"{service} is not part of this run: use `make test-services`"
    )


def program(name: str) -> str:
    """Return the path of a program; fail the test if there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: `make test-services` installs it, as root with apt")
    return found


def run(name: str, *arguments: str | Path, here: Path = ROOT, given: str | None = None) -> str:
    """Run a program to its end; return what it says, and fail the test if it is not content."""
    done = subprocess.run(
        [program(name), *map(str, arguments)],
        cwd=here,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    return said
