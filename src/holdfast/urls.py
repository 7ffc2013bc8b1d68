"""The console's addresses, for a project's own: `path("holdfast/", include("holdfast.urls"))`; metrics are among them.

`path("metrics", holdfast.urls.metrics)` has them at an address of their own.
"""

from __future__ import annotations

from holdfast.console.scrape import metrics
from holdfast.console.urls import app_name, urlpatterns

__all__ = ["app_name", "metrics", "urlpatterns"]
