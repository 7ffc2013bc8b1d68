"""JOST's addresses as they are in debug: with the pages about the API."""

from __future__ import annotations

from jost import urls

urlpatterns = [*urls.urlpatterns, *urls.debug_urlpatterns]
