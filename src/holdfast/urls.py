"""The console's addresses, for a project's own: `path("holdfast/", include("holdfast.urls"))`; metrics are among them.

`path("metrics", holdfast.urls.metrics)` has them at an address of their own.
"""

from __future__ import annotations

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

# Without it Django would say something about content types.
if not apps.is_installed("django.contrib.auth"):
    raise ImproperlyConfigured(
        "The console asks who is there: add 'django.contrib.auth' and 'django.contrib.contenttypes' to INSTALLED_APPS, "
        "or leave include('holdfast.urls') out. Health alone is include('holdfast.health.urls')."
    )

from holdfast.console.scrape import metrics
from holdfast.console.urls import app_name, urlpatterns

__all__ = ["app_name", "metrics", "urlpatterns"]
