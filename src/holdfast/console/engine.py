"""The console's own template engine: the project's may be another one, or lack what the pages need."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.template.backends.django import DjangoTemplates


@lru_cache(maxsize=1)
def engine() -> DjangoTemplates:
    """Return the engine of the console's pages."""
    return DjangoTemplates(
        {
            "NAME": "holdfast",
            "DIRS": [Path(__file__).resolve().parents[1] / "templates"],
            "APP_DIRS": False,
            "OPTIONS": {
                "builtins": [
                    "django.templatetags.i18n",
                    "django.templatetags.static",
                    "holdfast.console.tags",
                ],
                "libraries": {"holdfast": "holdfast.console.tags"},
                "context_processors": ["django.template.context_processors.request"],
                "string_if_invalid": "",
            },
        }
    )
