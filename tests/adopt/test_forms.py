"""The forms in which projects write the same thing: an app's class, a list of apps, settings, pinned versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.adoption.edits import Edits, edits
from holdfast.adoption.facts import Project
from holdfast.adoption.files import read
from holdfast.adoption.rules import notes


def write(root: Path, **files: str) -> Project:
    """Write files of a project, whose names have __ for the slash and no .py, and read them."""
    for name, text in files.items():
        path = root / (f"{name.replace('__', '/')}.py" if "." not in name else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(root)


def told(project: Project) -> set[str]:
    return {note.rule.id for note in notes(project)}


def first(found: Edits, name: str) -> str:
    text = found.first[name]
    compile(text, name, "exec")
    return text


SUBCLASS = (
    "from celery import Celery\n\n\nclass App(Celery):\n    main = 'shop'\n\n\napp = App('shop')\n"
)
NAMED_AS = "from celery import Celery as Queue\n\napp = Queue(main='shop')\n"
OF_A_MODULE = "import celery\n\n\nclass App(celery.Celery):\n    pass\n\n\napp = App('shop')\n"
MODULE_AS = "import celery as c, os\n\nname = 'über'; app: c.Celery = c.Celery('shop')\n"
DEEP = "from celery.app.base import Celery, Settings\n\napp = Celery('shop')\n"


@pytest.mark.parametrize(
    ("made", "after"),
    [
        (SUBCLASS, "from holdfast import Celery\n\n\nclass App(Celery):"),
        (NAMED_AS, "from holdfast import Celery as Queue\n\napp = Queue("),
        (OF_A_MODULE, "import celery\nimport holdfast\n\n\nclass App(holdfast.Celery):"),
        (MODULE_AS, "'über'; app: holdfast.Celery = holdfast.Celery('shop')"),
        (DEEP, "from celery.app.base import Settings\nfrom holdfast import Celery\n"),
    ],
)
def test_app_is_found_and_changed_in_every_form(tmp_path: Path, made: str, after: str) -> None:
    project = write(tmp_path, shop__celery=made)
    assert [app.detail for app in project.apps] == ["shop"]
    found = edits(project)
    assert after in first(found, "shop/celery.py")
    assert not any("Celery" in line for line in found.by_hand if "holdfast[redis]" not in line)
    # Who has moved has nothing to move.
    (tmp_path / "shop" / "celery.py").write_text(found.first["shop/celery.py"])
    moved = read(tmp_path)
    assert [app.detail for app in moved.apps] == ["shop"]
    assert "shop/celery.py" not in edits(moved).first


def test_class_of_another_file_makes_the_app(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        lib__base="from celery import Celery\n\n\nclass Base(Celery):\n    pass\n",
        lib__more="from lib import base\n\n\nclass Traced(base.Base):\n    pass\n",
        shop__celery="from lib.more import Traced\n\napp = Traced('shop')\n",
    )
    assert [(app.detail, app.place.file) for app in project.apps] == [("shop", "shop/celery.py")]
    found = edits(project)
    assert "from holdfast import Celery" in first(found, "lib/base.py")
    assert set(found.first) == {"lib/base.py"}


def test_class_that_is_only_called_like_it_is_left_alone(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        kitchen="class Celery:\n    pass\n\n\nclass Soup(Celery):\n    pass\n\n\nstalk = Soup()\n",
    )
    assert project.apps == []
    assert "kitchen.py" not in edits(project).first


@pytest.mark.parametrize(
    ("apps", "after"),
    [
        ('INSTALLED_APPS: list[str] = ["django.x", "a"]', '["django.x", "a", "holdfast"]'),
        ('INSTALLED_APPS: Final = (\n    "django.x",\n)', '    "holdfast",\n)'),
        ('INSTALLED_APPS = ["django.x"] + ["a"]', '["django.x"] + ["a", "holdfast"]'),
        ('INSTALLED_APPS: list[str] = DJANGO + ["a"]', 'DJANGO + ["a", "holdfast"]'),
        ('INSTALLED_APPS = ["a"] + PLUGINS', '["a", "holdfast"] + PLUGINS'),
        ('INSTALLED_APPS = BASE\nINSTALLED_APPS += ["django.x"]', '+= ["django.x", "holdfast"]'),
    ],
)
def test_app_is_added_wherever_the_list_stands(tmp_path: Path, apps: str, after: str) -> None:
    found = edits(write(tmp_path, settings=f"{apps}\n"))
    assert after in first(found, "settings.py")
    (tmp_path / "settings.py").write_text(found.first["settings.py"])
    assert read(tmp_path).installed("holdfast")


LITERAL = """CELERY = {
    "broker_url": "sqs://",
    "task_acks_late": True,
    "result_backend": "django-db",
    "broker_transport_options": {"visibility_timeout": 3600},
    "beat_scheduler": "django_celery_beat.schedulers:DatabaseScheduler",
}
"""
CALLED = """CELERY_CONFIG = dict(
    broker_url="sqs://",
    task_acks_late=True,
    result_backend="django-db",
    broker_transport_options=dict(visibility_timeout=3600),
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
)
"""
OLD_NAMES = """CELERY_CONFIG: dict[str, object] = {
    **{"BROKER_URL": "sqs://", "CELERY_ACKS_LATE": True},
    "CELERY_RESULT_BACKEND": "django-db",
    "BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 3600},
}
CELERY_CONFIG["CELERYBEAT_SCHEDULER"] = "django_celery_beat.schedulers:DatabaseScheduler"
"""
OF_THE_APP = LITERAL.replace("CELERY = {", "app.conf.update({").replace("\n}\n", "\n})\n")
FROM_OBJECT = LITERAL.replace("CELERY = {", "app.config_from_object({").replace("\n}\n", "\n})\n")


@pytest.mark.parametrize("text", [LITERAL, CALLED, OLD_NAMES, OF_THE_APP, FROM_OBJECT])
def test_settings_in_one_dictionary_are_read(tmp_path: Path, text: str) -> None:
    project = write(tmp_path, settings=f'INSTALLED_APPS = ["django.x"]\n{text}')
    assert {"broker", "acks-late", "result-backend", "visibility", "schedules"} <= told(project)
    (broker,) = project.of("broker_url")
    assert "sqs://" in broker.place.text
    assert '"holdfast.beat:Scheduler"' in edits(project).second["settings.py"]


def test_dictionary_of_one_setting_is_that_setting(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        settings='CELERY_TASK_ROUTES = {"timezone": {"queue": "a"}}\nNOT_OURS = {"broker_url": "sqs://"}\n',
    )
    assert [setting.key for setting in project.settings] == ["task_routes"]


@pytest.mark.parametrize(
    ("asked", "old"),
    [
        ("redis<3", True),
        ("redis < 3.0", True),
        ("redis>=2.10,<3", True),
        ("redis<=6.3", True),
        ("redis<6.4.0", True),
        ("redis<=6.4", False),
        ("redis<7", False),
        ("redis>=6.4,<8  # the client", False),
        ("redis[hiredis]~=5.0", True),
        ("redis (<3)", True),
        ("redis!=5.0", False),
        ("redis==7.1 --hash=sha256:0123", False),
        ("redis", False),
        ("kombu==5.3.4", True),
        ("celery>=5.7,<5.8", False),
    ],
)
def test_library_that_is_held_back_is_marked(tmp_path: Path, asked: str, old: bool) -> None:
    project = write(tmp_path, **{"requirements.txt": f"{asked}\n"})
    assert ("versions" in told(project)) is old


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["redis<3"]'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nredis = "<3"'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nredis = "3.5.3"'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nredis = {version = "^3.5", extras = ["x"]}'),
        ("Pipfile", '[packages]\nredis = "<3"'),
        ("Pipfile", '[packages]\nredis = {version = "<3", extras = ["hiredis"]}'),
    ],
)  # fmt: skip
def test_library_is_marked_in_every_kind_of_file(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / name).write_text(f"{line}\n")
    project = read(tmp_path)
    (package,) = project.packages
    assert (package.name, told(project)) == ("redis", {"versions"})
    assert "redis" in package.place.text
