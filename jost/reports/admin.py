"""Reports in the admin: to be looked at."""

from __future__ import annotations

from django.contrib import admin

from jost.admin import HistoryAdmin

from .models import Report


@admin.register(Report)
class ReportAdmin(HistoryAdmin):
    list_display = ["id", "owner", "day", "since", "until", "state", "asked_at", "finished_at"]
    list_filter = ["state"]
    date_hierarchy = "asked_at"
