"""Plain Celery; with DJANGO_SETTINGS_MODULE set it is a Django project, without it not even that."""

from __future__ import annotations

from celery import Celery

from benchmarks.project.options import celery_settings

app = Celery("plain")
app.conf.update(celery_settings())
