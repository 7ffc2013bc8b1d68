"""The measured project's web process: the console alone, open to everybody on this machine."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, include, path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project.settings")
application = get_asgi_application()

urlpatterns: list[URLPattern | URLResolver] = [path("holdfast/", include("holdfast.urls"))]


def everybody(_request: HttpRequest) -> str:
    """Let whoever asks look: the process listens on this machine only, while it is measured."""
    return "view"
