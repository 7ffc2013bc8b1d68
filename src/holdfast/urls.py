"""The console's addresses, for a project's own: `path("holdfast/", include("holdfast.urls"))`."""

from __future__ import annotations

from holdfast.console.urls import app_name, urlpatterns

__all__ = ["app_name", "urlpatterns"]
