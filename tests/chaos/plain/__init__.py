"""Plain Celery in its safest documented set-up, under the load and the faults of the soak."""

from tests.chaos.plain.celery import app as celery_app

__all__ = ["celery_app"]
