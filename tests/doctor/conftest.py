"""What the doctor's tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def private_folder() -> Iterator[Path]:
    """A folder that every user of the host can get into, for a module's tests."""
    path = Path(tempfile.mkdtemp(prefix="holdfast-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
