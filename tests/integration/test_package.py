"""What people install: the wheel and the archive of the sources, built as a release builds them."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def build(source: Path, folder: Path, kind: str) -> Path:
    """Build one kind of package of a source tree and return its path."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (found,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel"))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def files(wheel: zipfile.ZipFile) -> set[str]:
    """Return what a wheel installs, without what it says of itself."""
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_wheel_has_every_file_of_the_package_and_no_other(wheel: zipfile.ZipFile) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/holdfast"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert files(wheel) == {path.removeprefix("src/") for path in tracked}
    assert "holdfast/py.typed" in files(wheel)


def test_archive_of_the_sources_builds_the_same_wheel(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    with tarfile.open(build(ROOT, tmp_path, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    again = zipfile.ZipFile(build(source, tmp_path / "again", "wheel"))
    assert files(again) == files(wheel)
    assert all(again.read(name) == wheel.read(name) for name in files(wheel))


def test_what_is_built_twice_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    for kind in ("wheel", "sdist"):
        first, second = (build(ROOT, tmp_path / f"{kind}-{n}", kind).read_bytes() for n in (1, 2))
        assert first == second


def test_metadata_names_extras_pythons_and_every_licence_inside(
    wheel: zipfile.ZipFile, metadata: Message
) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert set(metadata.get_all("Classifier", [])) == set(PROJECT["classifiers"])
    assert metadata["Requires-Python"] == ">=3.11"
    licences = {Path(path).name for path in metadata.get_all("License-File", [])}
    inside = {Path(name).name for name in files(wheel) if name.endswith(".LICENSE")}
    assert licences == {"LICENSE", *inside}
    assert "0BSD" in metadata["License-Expression"]


def test_page_of_versions_names_the_pythons_and_djangos_of_the_metadata(metadata: Message) -> None:
    page = (ROOT / "docs" / "versions.md").read_text()
    for classifier in metadata.get_all("Classifier", []):
        what, _, version = classifier.removeprefix("Framework :: ").rpartition(" :: ")
        if what in {"Programming Language :: Python", "Django"}:
            assert version[:2] == "6." or f" {version}" in page, (
                f"docs/versions.md lacks {classifier}"
            )


def test_version_is_said_once(metadata: Message) -> None:
    import holdfast

    assert metadata["Version"] == PROJECT["version"] == holdfast.__version__
