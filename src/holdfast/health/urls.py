"""The addresses of the health, for a project's own: `path("health/", include("holdfast.health.urls"))`."""

from __future__ import annotations

from django.urls import path

from holdfast.health import views

app_name = "holdfast_health"
urlpatterns = [
    path("live", views.live, name="live"),
    path("ready", views.ready, name="ready"),
]
