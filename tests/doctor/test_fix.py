"""`doctor --fix` shows what it would do, does nothing without --yes, and what it does mends what was found."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from holdfast.doctor import fixing
from holdfast.doctor.fixing import Fix
from holdfast.ledger import pauses
from holdfast.ledger.models import Pause
from holdfast.ledger.reads import structure
from tests.doctor.asking import ask, only
from tests.doctor.project import Project
from tests.harness import Site, new_site
from tests.processes import ROOT
from tests.warm import run

SQLITE = """
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 1}
    CELERY_BEAT_SCHEDULER = "celery.beat:PersistentScheduler"
    CELERY_BEAT_SCHEDULE = {"one": {"task": "shop.tasks.charge", "schedule": 60, "args": [1]}}
"""
WORDS = only("W427", "W429", "W636")


def fix(environment: dict[str, str], *words: str, cwd: Path = ROOT) -> dict[str, Any]:
    command = ["-m", "holdfast.doctor", "--fix", "--json", "--timeout", "30", *words]
    done = run(command, environment=environment, cwd=cwd, timeout=120)
    assert done.stdout, done.stderr
    return json.loads(done.stdout) | {"status": done.returncode}


def test_settings_are_shown_then_written_then_mend_what_was_found(tmp_path: Path) -> None:
    project = Project(tmp_path, settings=SQLITE)
    file = tmp_path / "shop_settings.py"
    file.chmod(0o640)
    before = file.read_text()
    assert project.ask(*WORDS).ids == {"W427", "W429", "W636"}

    shown = fix(project.environment, *WORDS, "--settings-file", str(file), cwd=tmp_path)
    assert '+CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"' in shown["diff"]
    assert file.read_text() == before
    assert shown["done"] == {}

    done = fix(project.environment, *WORDS, "--settings-file", str(file), "--yes", cwd=tmp_path)
    assert done["done"] == {str(file): "done"}
    assert file.read_text().startswith(before)
    assert file.stat().st_mode & 0o777 == 0o640
    assert project.ask(*WORDS).findings == []


def test_text_form_says_that_nothing_was_changed(tmp_path: Path) -> None:
    project = Project(tmp_path, settings=SQLITE)
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.doctor", "--fix", *only("W636")],
        cwd=tmp_path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 'CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"  # holdfast.W636' in done.stdout
    assert "Nothing was changed: say --yes to do it." in done.stdout


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with new_site(request.param, request) as site:
        yield site


def test_ledger_is_mended_with_yes_alone_and_pauses_when_asked_for(site: Site) -> None:
    with connections[site.alias].cursor() as cursor:
        cursor.execute("DROP INDEX holdfast_job_queued")
    pauses.pause("queue", "reports", actor="ada", reason="")
    Pause.objects.using(site.alias).update(at=Now() - __import__("datetime").timedelta(days=3))
    words = only("E423", "W604")

    shown = fix(site.environment, *words)
    assert [one["finding"] for one in shown["fixes"]] == ["holdfast.E423"]
    assert "holdfast_job_queued" in structure.indexes().missing
    assert fix(site.environment, *words, "--yes")["status"] == 0
    assert structure.indexes().missing == []
    assert pauses.paused() == {("queue", "reports")}

    resumed = fix(site.environment, *words, "--yes", "--resume")
    assert resumed["done"] == {"manage.py holdfast resume --queue reports": "done"}
    assert pauses.paused() == set()
    assert ask(site.environment, *words).findings == []


def test_vacuum_is_let_back_in_and_run(request: pytest.FixtureRequest) -> None:
    with new_site("postgres", request) as site:
        with connections[site.alias].cursor() as cursor:
            cursor.execute("ALTER TABLE holdfast_result SET (autovacuum_enabled = false)")
        done = fix(site.environment, *only("W426"), "--yes")
        assert done["done"] == {"ALTER TABLE holdfast_result RESET (autovacuum_enabled);": "done"}
        assert ask(site.environment, *only("W426")).findings == []


# -- a file of settings ---------------------------------------------------------------------------------

FIX = Fix(finding="holdfast.E701", lines=("DEBUG = False",))


def test_lines_are_added_once(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("DEBUG = True")
    assert fixing.write(file, [FIX, FIX])
    assert file.read_text().count("DEBUG = False") == 1
    assert not fixing.write(file, [FIX])
    assert fixing.diff(file, [FIX]) == ""


@pytest.mark.parametrize("text", [None, "this is (no Python"])
def test_what_is_no_file_of_settings_is_left_as_it_is(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "settings.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ValueError, match="no file of settings"):
        fixing.write(file, [FIX])
    assert [path.name for path in tmp_path.iterdir()] == ([] if text is None else ["settings.py"])
