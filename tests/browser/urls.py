"""The addresses of the project: the console, as the README has it."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("holdfast/", include("holdfast.urls"))]
