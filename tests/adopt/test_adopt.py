"""What is read in two projects of a common kind, one of which cannot be imported here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from holdfast.adoption.command import answer
from holdfast.adoption.edits import edits
from holdfast.adoption.facts import Project
from holdfast.adoption.files import read
from holdfast.adoption.rules import RULES, notes

PROJECTS = Path(__file__).parent / "projects"
SHOP, LEARN = PROJECTS / "shop", PROJECTS / "learn"


def told(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer(path=str(project), as_json=True, patch=None))
    return found


def lines(project: Path) -> dict[str, list[str]]:
    """Return where each note was found, as file:line."""
    return {
        note["id"]: [f"{place['file']}:{place['line']}" for place in note["places"]]
        for note in told(project)["notes"]
    }


def write(root: Path, **files: str) -> Project:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(root)


def ids(project: Project) -> set[str]:
    return {note.rule.id for note in notes(project)}


def test_shop_is_told_what_it_gains_and_what_to_watch() -> None:
    found = lines(SHOP)
    assert found == {
        "on-commit": ["orders/tasks.py:35", "orders/tasks.py:36"],
        "delayed": ["orders/tasks.py:36"],
        "acks-late": ["shop/settings.py:36"],
        "visibility": ["shop/settings.py:37"],
        "retries": ["orders/tasks.py:14", "orders/tasks.py:16"],
        "canvas": ["orders/tasks.py:35"],
        "locks": ["orders/tasks.py:28"],
        "schedules": ["Procfile:3", "shop/settings.py:39"],
        "result-backend": ["shop/settings.py:35"],
        "ignore-result": ["orders/tasks.py:22"],
        "rate-limit": ["orders/tasks.py:22"],
        "routing": ["shop/settings.py:38"],
    }


def test_project_that_cannot_be_imported_is_read_all_the_same() -> None:
    found = lines(LEARN)
    assert found["hook-without-super"] == ["config/celery_app.py:10"]
    assert found["database"] == ["config/settings/base.py:5"]
    assert found["eager"] == ["config/settings/local.py:3"], "and not those of the tests"
    assert found["versions"] == [f"requirements/base.txt:{n}" for n in (1, 2, 3)]
    assert found["once"] == ["courses/tasks.py:12"]
    assert found["pickle"] == ["config/settings/base.py:22"]
    assert found["commands"] == ["compose/local.yml:3"]
    assert found["rate-limit"] == ["config/celery_app.py:26", "courses/tasks.py:17"]
    assert found["acks-late"] == ["config/celery_app.py:27", "courses/tasks.py:12"]
    assert {"revoke", "signals", "routing", "bases", "canvas", "delayed", "visibility"} <= set(
        found
    )
    (unread,) = told(LEARN)["unread"]
    assert (unread["file"], unread["line"]) == ("courses/broken.py", 1)


def test_tasks_are_told_with_their_options() -> None:
    tasks = {task["name"]: task for task in told(LEARN)["tasks"]}
    assert tasks["index_course"]["base"] == "QueueOnce"
    assert tasks["index_course"]["options"] == {"once": {"keys": ["course_id"]}, "acks_late": True}
    assert tasks["encode_video"]["options"]["autoretry_for"] == ["?"]


@pytest.mark.parametrize("project", [SHOP, LEARN])
def test_patches_apply_one_on_the_other_and_hit_the_lines(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    for step in (1, 2):
        patch = answer(path=str(project), as_json=False, patch=step)
        subprocess.run(["git", "apply", "-"], cwd=copy, input=patch, text=True, check=True)
        after = read(copy)
        assert after.installed("holdfast")
        assert after.package("holdfast") is not None
        assert [setting.value for setting in after.of("HOLDFAST")] == (
            [{"durable": False, "unsigned": "accept"}] if step == 1 else []
        )
    ours = next(source for source in after.sources if source.name == after.apps[0].place.file)
    assert "from holdfast import Celery" in ours.text
    assert not any("Celery" in line for line in ours.text.splitlines() if "from celery" in line)
    assert {setting.value for setting in after.of("beat_scheduler")} <= {"holdfast.beat:Scheduler"}


def test_project_that_has_moved_gets_no_patch(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SHOP, copy)
    for step in (1, 2):
        patch = answer(path=str(SHOP), as_json=False, patch=step)
        subprocess.run(["git", "apply", "-"], cwd=copy, input=patch, text=True, check=True)
    found = edits(read(copy))
    assert "celery.py" not in found.patch(1)
    assert "requirements" not in found.patch(1)
    assert '+    "holdfast"' not in found.patch(1)


ONE_LINE = 'INSTALLED_APPS = ["django.contrib.auth"]'
TUPLE = 'INSTALLED_APPS = (\n    "django.contrib.auth",\n)'
REMARK = 'INSTALLED_APPS = [\n    "django.contrib.auth"  # users\n]'
PARTS = (
    'A_APPS = ["django.x"]\nTHIRD_PARTY_APPS = ["y"]\nINSTALLED_APPS = A_APPS + THIRD_PARTY_APPS'
)


@pytest.mark.parametrize(
    ("apps", "after"),
    [
        (ONE_LINE, '["django.contrib.auth", "holdfast"]'),
        (TUPLE, '    "holdfast",\n)'),
        (REMARK, '"django.contrib.auth",  # users\n    "holdfast",\n]'),
        (PARTS, '["y", "holdfast"]'),
    ],
)
def test_app_is_added_to_lists_of_any_form(tmp_path: Path, apps: str, after: str) -> None:
    text = edits(write(tmp_path, settings=f"{apps}\n")).first["settings.py"]
    assert after in text
    compile(text, "settings.py", "exec")


@pytest.mark.parametrize(
    ("made", "after"),
    [
        ("from celery import Celery as C\napp = C('x')", "from holdfast import Celery as C"),
        ("import celery\napp = celery.Celery('x')", "app = holdfast.Celery('x')"),
        ("from celery import (\n    Celery,\n    signals,\n)\napp = Celery('x')", "from celery import signals"),
    ],
)  # fmt: skip
def test_app_is_made_by_ours_however_it_was_imported(tmp_path: Path, made: str, after: str) -> None:
    project = write(tmp_path, app=f"{made}\nother = Celery('y')\n")
    text = edits(project).first["app.py"]
    assert after in text
    compile(text, "app.py", "exec")


def test_old_names_of_settings_are_known(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        settings="BROKER_URL = 'sqs://'\nCELERY_ACKS_LATE = True\nCELERYD_CONCURRENCY = 3\n",
        more="app.conf.worker_autoscaler = 'x:Y'\n",
    )
    assert {"broker", "acks-late", "autoscaler"} <= ids(project)
    assert project.of("worker_concurrency")[0].value == 3


def test_project_without_anything_to_change_is_told_by_hand(tmp_path: Path) -> None:
    found = edits(write(tmp_path, views="x = 1\n"))
    assert found.patch(1) == found.patch(2) == ""
    assert len(found.by_hand) == 4
    assert "Nowhere is a Celery app made" in answer(path=str(tmp_path), as_json=False, patch=None)


def test_nothing_is_imported_or_changed(tmp_path: Path) -> None:
    write(tmp_path, settings="import os\nopen(os.environ['X'], 'w')\nraise SystemExit(3)\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    answer(path=str(tmp_path), as_json=False, patch=None)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_command_runs_without_django_and_as_a_verb(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast.adoption", str(SHOP)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Step 2: jobs become durable" in done.stdout
    assert "celery -A shop worker -Q celery,mail" in done.stdout
    out = StringIO()
    call_command("holdfast", "adopt", str(SHOP), stdout=out)
    assert out.getvalue() == done.stdout
    with pytest.raises(CommandError, match="no folder"):
        call_command("holdfast", "adopt", str(tmp_path / "none"), stdout=out)
    missing = [sys.executable, "-m", "holdfast.adoption", str(tmp_path / "none")]
    assert subprocess.run(missing, capture_output=True, check=False).returncode == 2


def test_every_rule_is_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "adopt.md").read_text()
    for rule in RULES:
        assert f"| `{rule.id}` |" in guide, rule.id
    assert len({rule.id for rule in RULES}) == len(RULES)
