"""Where the settings do not load: that is the first finding, as JSON too, and the status is not 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.testing.services import RedisServer
from tests.doctor.broker.clinic import Clinic, Seen
from tests.processes import ROOT

MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
"""
APP = "from holdfast import Celery\napp = Celery('shop', broker='redis://127.0.0.1:1/0')\n"


def shop(folder: Path, settings: str) -> None:
    """Write a project as the quickstart makes it: its package imports its app."""
    package = folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("from .celery import app as celery_app\n")
    (package / "celery.py").write_text(APP)
    (package / "settings.py").write_text(settings)
    (folder / "manage.py").write_text(MANAGE)


def asked(clinic: Clinic, how: str, *words: str) -> Seen:
    ways = {"module": ("-m", "holdfast.doctor"), "manage.py": ("manage.py", "holdfast", "doctor")}
    return clinic.doctor(*words, command=ways[how], environment={"DJANGO_SETTINGS_MODULE": None})


BROKEN = {
    "variable": ("import os\nprint('hello')\nX = os.environ['SHOP_URL']\n", "SHOP_URL", "line 3"),
    "import": ("import nosuchpackage\n", "Install nosuchpackage", "line 1"),
    "syntax": ("X = (\n", "syntax", "line 1"),
    "refused": (
        """from django.core.exceptions import ImproperlyConfigured
raise ImproperlyConfigured('SHOP_URL must be set')
""",
        "SHOP_URL must be set",
        "line 2",
    ),
}


@pytest.mark.parametrize(
    ("broken", "how"),
    [("variable", "module"), ("syntax", "module"), *((broken, "manage.py") for broken in BROKEN)],
)
def test_settings_that_do_not_load_are_the_first_finding(
    clinic: Clinic, broken: str, how: str
) -> None:
    code, says, line = BROKEN[broken]
    shop(clinic.folder, code)
    seen = asked(clinic, how)
    found = seen.of("E202")
    assert seen.said["findings"][0] == found
    assert seen.status == 1
    assert says in f"{found['evidence']} {found['repair']}"
    assert found["data"]["file"].endswith("shop/settings.py")
    assert line in found["evidence"]
    assert {one["because"] for one in seen.said["skipped"]} == {"the settings do not load"}


@pytest.mark.parametrize("how", ["manage.py"])
def test_app_that_cannot_be_imported_is_told(clinic: Clinic, how: str) -> None:
    shop(clinic.folder, "SECRET_KEY = 'x'\nINSTALLED_APPS = ['holdfast', 'shop.nowhere']\n")
    found = asked(clinic, how).of("E203")
    assert "shop.nowhere" in found["evidence"]


def test_holdfast_that_is_not_installed_is_told(clinic: Clinic) -> None:
    shop(clinic.folder, "SECRET_KEY = 'x'\nINSTALLED_APPS = []\n")
    assert "INSTALLED_APPS" in asked(clinic, "module").of("E204")["repair"]


def test_nobody_says_which_settings(clinic: Clinic) -> None:
    seen = clinic.doctor(environment={"DJANGO_SETTINGS_MODULE": None})
    assert (seen.status, seen.ids) == (1, {"E201"})


def test_app_that_is_named_wrongly_is_told(clinic: Clinic) -> None:
    assert "nowhere" in clinic.doctor("--app", "nowhere.celery").of("E205")["evidence"]


def test_words_that_mean_nothing_are_refused(clinic: Clinic) -> None:
    with pytest.raises(AssertionError, match="neither an area"):
        clinic.doctor("--only", "brokr")


def test_manage_py_of_the_reference_project_answers(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_BROKER_URL": healthy_redis.url,
    }
    command = (str(ROOT / "manage.py"), "holdfast", "doctor")
    seen = clinic.doctor("--only", "broker", command=command, environment=environment)
    assert (seen.status, seen.ids) == (0, set()), seen.told()
    sick = environment | {"TEST_BROKER_URL": "redis://127.0.0.1:1/0"}
    assert clinic.doctor("--only", "broker", command=command, environment=sick).status == 1


@pytest.mark.parametrize(("fail_on", "status"), [("error", 0), ("warning", 2)])
def test_warnings_count_where_they_are_to(
    clinic: Clinic, healthy_redis: RedisServer, fail_on: str, status: int
) -> None:
    sick = {"broker_connection_retry_on_startup": False}
    words = ("--only", "broker", "--fail-on", fail_on)
    seen = clinic.doctor(*words, broker=healthy_redis.url, celery=sick)
    assert (seen.status, seen.ids) == (status, {"W364"}), seen.told()


def test_finding_that_is_silenced_is_named_and_not_shown(
    clinic: Clinic, healthy_redis: RedisServer
) -> None:
    clinic.code = "SILENCED_SYSTEM_CHECKS = ['holdfast.W364']"
    sick = {"broker_connection_retry_on_startup": False}
    seen = clinic.doctor("--only", "broker", broker=healthy_redis.url, celery=sick)
    assert (seen.ids, seen.said["silenced"]) == (set(), ["holdfast.W364"])
