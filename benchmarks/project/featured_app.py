"""The project with Holdfast adopted, and tasks that use its features."""

from __future__ import annotations

from benchmarks.project.options import celery_settings
from holdfast import Celery

app = Celery("featured")
app.conf.update(celery_settings())
app.conf.imports = [*app.conf.imports, "benchmarks.project.featured"]
