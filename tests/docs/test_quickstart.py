"""The quickstart, gone by the letter in a fresh project: its blocks are the files, its commands run as they stand."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from holdfast.testing.services import RedisServer
from tests.docs.pages import ROOT, examples
from tests.processes import SiteProcess
from tests.warm import run

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "quickstart.md"
MANAGE = re.compile(r"^python (manage\.py [^#\n]+?) *(?:#.*)?$", re.MULTILINE)
# What waits for somebody, or never ends.
LEFT_OUT = {"createsuperuser", "runserver"}
_LOOK = """
from django.test import Client
answer = Client(SERVER_NAME="localhost").get("/holdfast/")
print(answer.status_code, answer["Location"])
"""


def block(beginning: str) -> str:
    """Return the only example in Python that has this line."""
    (found,) = [one for one in examples(PAGE, language="python") if f"\n{beginning}" in f"\n{one}"]
    return found


class Project:
    """What `django-admin startproject` makes, and what the page says to write into it."""

    def __init__(self, folder: Path, broker: str) -> None:
        self.folder = folder
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": str(folder),
        }
        self.run("-m", "django", "startproject", "project", ".")
        package = folder / "project"
        (package / "celery.py").write_text(
            block("from holdfast import Celery") + block("@app.task")
        )
        (package / "__init__.py").write_text(block("from .celery import"))
        settings = (package / "settings.py").read_text()
        mine = "".join(re.findall(r"^ +\"holdfast\",$", block("INSTALLED_APPS"), re.MULTILINE))
        settings = settings.replace("INSTALLED_APPS = [", f"INSTALLED_APPS = [\n{mine}")
        login = re.findall(r"`(LOGIN_URL = .*?)`", PAGE.read_text())
        (package / "settings.py").write_text(
            "\n".join([settings, block("DATABASES"), f"CELERY_BROKER_URL = {broker!r}", *login, ""])
        )
        urls = block("from django.urls import include").replace(
            "# ...", "path('admin/', site.urls),"
        )
        (package / "urls.py").write_text(f"from django.contrib.admin import site\n{urls}")

    def run(self, *command: str) -> str:
        """Run Python in the folder of `manage.py`; return what it printed."""
        done = run(command, environment=self.environment, cwd=self.folder, timeout=90)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, redis_server: RedisServer) -> Project:
    broker = f"{redis_server.url.rpartition('/')[0]}/12"
    redis.Redis.from_url(broker).flushdb()
    return Project(tmp_path, broker)


@pytest.fixture
def worker(project: Project) -> Iterator[SiteProcess]:
    project.run("manage.py", "migrate")
    command = ["-m", "celery", "-A", "project", "worker", "-Q", "celery"]
    assert f"\n{' '.join(command[1:])}\n" in PAGE.read_text()
    process = SiteProcess(
        command, log=project.folder / "worker.log", environment=project.environment
    )
    yield process
    process.kill()


def test_quickstart_leads_where_it_says(project: Project, worker: SiteProcess) -> None:
    commands = [shlex.split(line) for line in MANAGE.findall(PAGE.read_text())]
    verbs = [command[1] for command in commands]
    assert verbs[:4] == ["migrate", "check", "check", "shell"]
    assert set(verbs) > LEFT_OUT
    job = ""
    for command in commands:
        if command[1] in LEFT_OUT:
            continue
        # The nap of the page gives time to kill a worker.
        words = [word.replace("nap.delay(15)", "nap.delay(0.1)") for word in command]
        told = project.run(*[job if word == "ID" else word for word in words])
        if command[1] == "shell":
            job = told.splitlines()[-1]
            result = (
                f"from project.celery import app; print(app.AsyncResult({job!r}).get(timeout=60))"
            )
            assert project.run("manage.py", "shell", "-c", result).endswith("rested")
        if command[1:4] == ["holdfast", "jobs", "show"]:
            assert re.search(r"^state +succeeded$", told, re.MULTILINE)
    look = project.run("manage.py", "shell", "-c", _LOOK)
    assert look.endswith("302 /admin/login/?next=/holdfast/")
