"""The project of the guide to testing passes the tests that the guide shows, run as its users would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, examples
from tests.ledgers import sqlite_url
from tests.surroundings import inherited

pytestmark = pytest.mark.short_on("sqlite")

BLOCKS = examples(ROOT / "docs" / "guides" / "testing.md", language="python")
FILES = ("test_orders.py", "shop/tests.py", "shop/tasks.py", "shop/orders.py")

SETTINGS = """
from tests.settings import _database
SECRET_KEY = "only-for-tests"
USE_TZ = True
INSTALLED_APPS = ["holdfast", "shop"]
DATABASES = {"default": _database(URL)}
DATABASES["default"]["TEST"] = {"NAME": "guide_tests.sqlite3"} if "sqlite" in URL else {}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
"""
APP = """
from holdfast import Celery
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
MODELS = """
from django.db import models
class Order(models.Model):
    amount = models.IntegerField()
    confirmed = models.BooleanField(default=False)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project on an empty folder; nobody listens where its broker should be."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path)
    else:
        server: Any = request.getfixturevalue("postgres_server")
        url = server.create_database("guide")
    (tmp_path / "shop").mkdir()
    files = {
        "settings.py": f"URL = {url!r}\n{SETTINGS}",
        "shop/__init__.py": "from .celery import app",
        "shop/celery.py": APP,
        "shop/models.py": MODELS,
        **dict(zip(FILES, BLOCKS, strict=True)),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_project_of_the_guide_to_testing_passes_its_own_tests(project: Path) -> None:
    by_pytest = run(project, "-m", "pytest", "--ds=settings", "--strict-markers", "-q")
    assert "2 passed" in by_pytest
    by_django = run(project, "-m", "django", "test", "--settings=settings", "--noinput")
    assert "Ran 1 test in" in by_django


def run(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=inherited() | {"PYTHONPATH": f"{project}:{ROOT}", "DJANGO_SETTINGS_MODULE": "settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
