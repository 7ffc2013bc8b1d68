"""Tells every template whether the demo is on: then the navigation leads to it."""

from django.conf import settings
from django.http import HttpRequest


def mode(_request: HttpRequest) -> dict[str, bool]:
    return {"demo": settings.JOST_DEMO}
