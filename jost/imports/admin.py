"""Imports in the admin: looked at, cancelled, and taken up again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from jost.admin import HistoryAdmin

from . import services
from .models import Contact, Import, RowError


@admin.register(Import)
class ImportAdmin(HistoryAdmin):
    list_display = ["id", "name", "owner", "state", "imported", "refused", "created_at", "ended_at"]
    list_filter = ["state"]
    list_select_related = ["owner"]
    search_fields = ["name"]
    actions = ["cancel", "go_on"]

    @admin.action(description="Cancel", permissions=["move"])
    def cancel(self, request: HttpRequest, imports: QuerySet[Any]) -> None:
        cancelled = sum(services.cancel(source.pk) for source in imports)
        self.message_user(request, f"{cancelled} cancelled.")

    @admin.action(description="Go on where they are", permissions=["move"])
    def go_on(self, request: HttpRequest, imports: QuerySet[Any]) -> None:
        """One that has not stopped yet, or has no file any more, is left as it is."""
        taken_up = 0
        for source in imports:
            try:
                taken_up += services.go_on(source.pk)
            except services.CannotGoOnError:
                continue
        self.message_user(request, f"{taken_up} taken up.")

    def has_move_permission(self, request: HttpRequest) -> bool:
        """Only for whoever may change imports, though nobody writes their fields here."""
        return request.user.has_perm("imports.change_import")


class OfImportAdmin(HistoryAdmin):
    """Rows of which there may be a million: their number is not counted for a page."""

    show_full_result_count = False
    list_select_related = ["source"]
    raw_id_fields = ["source"]


@admin.register(Contact)
class ContactAdmin(OfImportAdmin):
    list_display = ["email", "name", "phone", "source", "line"]
    search_fields = ["email"]


@admin.register(RowError)
class RowErrorAdmin(OfImportAdmin):
    list_display = ["source", "line", "reason", "text"]
