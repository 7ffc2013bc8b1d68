"""A bare environment, the wheel, and a project of one file: what the first five minutes of a user are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer, die_with
from tests.docs.pages import ROOT
from tests.integration.test_package import build
from tests.services.asked import needs

pytestmark = needs("package")
SMALLEST = ROOT / "docs" / "examples" / "smallest.py"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what `pip install holdfast` gives, without an extra."""
    folder = tmp_path_factory.mktemp("bare")
    wheel = build(ROOT, folder, "wheel")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True, timeout=300)
    subprocess.run([*pip, "check"], check=True, timeout=60)
    return folder / "venv" / "bin"


@pytest.fixture
def project(tmp_path: Path, redis_server: RedisServer) -> dict[str, str]:
    shutil.copy(SMALLEST, tmp_path)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "smallest",
        "SECRET_KEY": "only for this test, but long enough to be one",
        "REDIS_URL": redis_server.url,
    }


@pytest.fixture
def worker(environment: Path, project: dict[str, str], tmp_path: Path) -> Iterator[None]:
    subprocess.run(
        [environment / "django-admin", "migrate"],
        cwd=tmp_path,
        env=project,
        check=True,
        timeout=120,
    )
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [environment / "celery", "-A", "smallest", "worker", "-c", "1"],
            cwd=tmp_path,
            env=project,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with(os.getpid()),  # noqa: PLW1509  # one system call
        )
    yield
    process.terminate()
    assert process.wait(30) == 0, (tmp_path / "worker.log").read_text()


@pytest.mark.usefixtures("worker")
def test_wheel_in_a_bare_environment_runs_a_project_of_one_file(
    environment: Path, project: dict[str, str], tmp_path: Path
) -> None:
    ask = "import smallest; print('sum', smallest.add.delay(2, 3).get(timeout=60))"
    said = subprocess.run(
        [environment / "django-admin", "shell", "-v", "0", "-c", ask],
        cwd=tmp_path,
        env=project,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert said.stdout.splitlines()[-1] == "sum 5"


def test_smallest_project_is_small() -> None:
    lines = SMALLEST.read_text().partition('"""\n\n')[2].splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) <= 25
