"""The database's clock set back or forward: all that is stored moves the other way, which nothing can tell from it."""

from __future__ import annotations

from datetime import timedelta

from django.apps import apps
from django.db.models import DateTimeField, F

HOUR = timedelta(hours=1)


def set_back(ledger: str, by: timedelta = HOUR) -> None:
    """Let every moment in a ledger lie so much later than it did; less than nothing sets the clock forward."""
    for model in apps.get_app_config("holdfast").get_models():
        moments = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        if moments:
            rows = model._default_manager.using(ledger)
            rows.update(**{moment: F(moment) + by for moment in moments})
