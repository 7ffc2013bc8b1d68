"""JOST: the reference project of Holdfast."""

from jost.celery import app as celery_app

__all__ = ["celery_app"]
