"""The tools that deploy files are for; skipped, unless `make test-deploy` asks for them: then they must be there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ASKED = os.environ.get("TEST_TOOLS", "")
_PATH = os.pathsep.join([_ASKED, os.environ.get("PATH", ""), "/usr/sbin"])


def tool(name: str, *, may_be_missing: bool = False) -> str:
    """Return the path of a tool."""
    if not _ASKED:
        pytest.skip("only in make test-deploy")
    found = shutil.which(name, path=_PATH)
    if found is None and may_be_missing:
        pytest.skip(f"{name} is not installed, and no package has it")
    assert found, f"{name} is missing: .ci/test-deploy says how it is installed"
    return found


def run(
    *command: str | Path, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={"PATH": _PATH, "HOME": str(folder or "/nonexistent"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
