"""The same project with Holdfast adopted: one import and one installed app."""

from __future__ import annotations

from benchmarks.project.options import celery_settings
from holdfast import Celery

app = Celery("durable")
app.conf.update(celery_settings())
