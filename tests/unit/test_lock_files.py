"""Guards the lock files: every package is pinned and hashed, and no line names a host."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(
    [
        *ROOT.glob("requirements*.lock"),
        ROOT / "benchmarks" / "peers" / "requirements.lock",
        ROOT / ".ci" / "deploy.txt",
        ROOT / ".ci" / "browser.txt",
    ]
)


@pytest.fixture(params=LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def lock(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_are_locks_to_look_at() -> None:
    assert {lock.name for lock in LOCKS} >= {"requirements.lock", "requirements-dev.lock"}


def test_lock_names_no_host_and_no_index(lock: Path) -> None:
    told = [
        line
        for line in lock.read_text().splitlines()
        if "://" in line or re.match(r"\s*(-i|-f|--(?!hash=))", line) or " @ " in line
    ]
    assert told == []


def test_lock_hashes_every_package(lock: Path) -> None:
    requirements = lock.read_text().replace("\\\n", " ").splitlines()
    unhashed = [line for line in requirements if line.strip() and "--hash=sha256:" not in line]
    assert unhashed == []


def test_dev_lock_agrees_with_the_runtime_lock() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        # The dev lock may need a package on more Pythons: only name and version must agree.
        return {line.split()[0] for line in lines if "==" in line}

    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()


def test_package_names_the_versions_of_django_that_tests_run_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Framework :: Django :: ([\d.]+)", "\n".join(project["classifiers"]))
    locked = re.findall(
        r"^django==(\d+\.\d+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    assert sorted(named) == sorted(locked)
