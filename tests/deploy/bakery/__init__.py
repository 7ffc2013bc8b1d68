"""A project that is nothing like JOST: other queues, pools, servers and names, no static files, no console."""

from __future__ import annotations

from holdfast import Celery
from tests.deploy.bakery import settings

app = Celery("bakery.core")
app.config_from_object(settings, namespace="CELERY")


@app.task(name="bakery.bake", time_limit=900, queue="ovens")
def bake(loaves: int) -> int:
    return loaves


@app.task(name="bakery.weigh")
def weigh(grams: int) -> int:
    return grams
