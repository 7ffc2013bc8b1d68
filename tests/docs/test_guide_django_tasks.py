"""What the guide to Django's tasks shows is what happens."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from holdfast.dispatch.django_tasks import Options
from tests.docs.pages import ROOT, examples
from tests.docs.test_reference import rows
from tests.harness import new_site
from tests.settings import TASKS_API

pytestmark = pytest.mark.short_on("postgres")

PAGE = ROOT / "docs" / "guides" / "django-tasks.md"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_example_of_the_guide_to_django_tasks_runs(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    _, jobs, shell = examples(PAGE, language="python")
    if TASKS_API:
        jobs = jobs.replace("from django.tasks import", "from django_tasks import")
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "jobs.py").write_text(jobs)
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    with new_site(kind, request, environment=path) as site:
        site.worker(queues="celery,reports")
        printed = site.python(shell)
    assert "FAILED <class 'ConnectionError'> Traceback" in printed


def test_every_option_is_listed_with_its_default() -> None:
    found = {
        row[0].strip("`"): row[1].strip("`") for row in rows("guides/django-tasks.md", columns=3)
    }
    assert found == {field.name: str(field.default).removesuffix(".0") for field in fields(Options)}
