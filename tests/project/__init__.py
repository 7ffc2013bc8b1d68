"""A small Django project with tasks that leave traces outside the ledger's database."""

from tests.project.celery import app as celery_app

__all__ = ["celery_app"]
