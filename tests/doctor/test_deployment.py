"""The deployment checklist: a project that fails in every item, and one in none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import gettempdir

import pytest

from holdfast.testing.services import PostgresServer
from tests.doctor.asking import Told, only
from tests.doctor.project import Project

SICK = """
    import pdb, sys, types

    SECRET_KEY = "django-insecure-4x!k2v9q_and_more_of_it_so_that_it_is_long"
    DEBUG = True
    ALLOWED_HOSTS = ["*"]
    ADMINS = []
    SESSION_COOKIE_SECURE = False
    SECURE_SSL_REDIRECT = False
    SECURE_HSTS_SECONDS = 0
    CORS_ALLOW_ALL_ORIGINS = CORS_ALLOW_CREDENTIALS = True
    LOGGING = {"version": 1, "loggers": {"django.db.backends": {"level": "DEBUG"}}}
    HOLDFAST = {"unsigned": "refuse", "signing_keys": ["short"]}
    INSTALLED_APPS = [*INSTALLED_APPS, "debug_toolbar"]
"""
SEEN = {
    "E701": "DEBUG is True",
    "E702": "reads like the one of an example",
    "E703": "ALLOWED_HOSTS is ['*']",
    "W704": "SESSION_COOKIE_SECURE off",
    "W705": "SECURE_SSL_REDIRECT is off",
    "I706": "SECURE_HSTS_SECONDS is 0",
    "W707": "django.db.backends",
    "I708": "ADMINS is empty",
    "W709": "debug_toolbar",
    "W710": "CORS_ALLOW_ALL_ORIGINS",
    "E711": "has 5 characters",
    "I712": "HOLDFAST['alive_file'] is empty",
    "E721": "shop_settings.py",
    "E722": "C_FORCE_ROOT",
    "W723": "Everybody may read",
    "W724": "FLOWER_UNAUTHENTICATED_API",
}


@pytest.fixture(scope="module")
def sick(private_folder: Path) -> Told:
    project = Project(
        private_folder, settings=SICK, files={"debug_toolbar/__init__.py": "", ".env": "KEY=1\n"}
    )
    for command in (["git", "init", "-q"], ["git", "add", "shop_settings.py"]):
        subprocess.run(command, cwd=project.folder, check=True, timeout=30)
    (project.folder / ".env").chmod(0o644)
    return project.ask(
        "--deploy",
        *only("deploy"),
        C_FORCE_ROOT="1",
        FLOWER_PORT="5555",
        FLOWER_UNAUTHENTICATED_API="true",
    )


@pytest.mark.parametrize("id", sorted(SEEN))
def test_item_of_the_checklist_that_fails_is_a_finding(sick: Told, id: str) -> None:
    if id == "W723" and not all(path.stat().st_mode & 0o001 for path in Path(gettempdir()).parents):
        pytest.skip("nobody else can get into the folder for temporary files")
    assert SEEN[id] in sick.evidence(id)


def test_no_key_is_in_what_is_said(sick: Told) -> None:
    assert "4x!k2v9q" not in str(sick.findings)


def test_project_fit_for_deployment_hears_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / ".env").write_text("KEY=1\n")
    (tmp_path / ".env").chmod(0o600)
    told = project.ask("--deploy", *only("deploy"), FLOWER_PORT="5555", FLOWER_BASIC_AUTH="ada:x")
    assert [one for one in told.findings if one["id"][-3] == "7"] == []
    assert {"keys_and_hosts", "key_is_not_committed", "files_are_private"} <= set(told.asked)


def test_items_of_the_checklist_are_not_asked_without_deploy(tmp_path: Path) -> None:
    project = Project(tmp_path, settings="DEBUG = True")
    assert project.ask(*only("celery")).ids == set()
    assert "E701" in project.ask(*only("E701")).ids, "who names it means it"


def test_superuser_and_a_way_in_clear_to_the_database_are_seen(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    settings = f"""
        DATABASES["default"] = {{
            "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
            "HOST": "127.0.0.1", "PORT": {postgres_server.port}, "CONN_MAX_AGE": 60,
        }}
    """
    told = Project(tmp_path / "here", settings=settings).ask(*only("W726", "E725"))
    assert "'postgres' is a superuser" in told.evidence("W726")
    assert not told.all("E725"), "it is this host"

    away = settings.replace('"HOST": "127.0.0.1"', '"HOST": "db.invalid"')
    told = Project(tmp_path / "away", settings=away).ask(*only("E725"))
    assert "HOST is db.invalid, sslmode is prefer" in told.evidence("E725")

    required = away.replace('"CONN_MAX_AGE"', '"OPTIONS": {"sslmode": "require"}, "CONN_MAX_AGE"')
    assert not Project(tmp_path / "safe", settings=required).ask(*only("E725")).all("E725")
