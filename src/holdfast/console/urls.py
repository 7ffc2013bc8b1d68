"""The addresses of the console, from the pages and actions that its nouns register."""

from __future__ import annotations

from importlib import import_module

from django.urls import URLPattern, path

from holdfast.console import openapi, pages, scrape, stream

# A module of views each.
NOUNS = (
    "overview",
    "jobs",
    "job",
    "errors",
    "operations",
    "batches",
    "workflows",
    "schedules",
    "queues",
    "workers",
    "limits",
    "alerts",
    "alert_rules",
    "activity",
    "doctor",
)

app_name = "holdfast"

for noun in NOUNS:
    import_module(f"holdfast.console.{noun}")

urlpatterns: list[URLPattern] = [
    *pages.patterns(),
    path("events/", stream.events, name="events"),
    path("metrics", scrape.metrics, name="metrics"),
    path("api/openapi.json", openapi.view, name="openapi"),
]
