"""What is built to be installed has the catalogues in it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.docs.pages import ROOT
from tests.texts.catalogue import languages


def test_wheel_has_the_catalogues(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert languages()
    for language in languages():
        folder = f"holdfast/locale/{language}/LC_MESSAGES"
        assert {f"{folder}/django.mo", f"{folder}/django.po"} <= names
