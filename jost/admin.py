"""What the admins of JOST's apps share: typed bases, and rows that are shown and never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
else:
    Admin = admin.ModelAdmin
    Inline = admin.TabularInline


class ReadOnly:
    """Shows rows to whoever may view them; nobody adds, changes or deletes one here."""

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False


class HistoryAdmin(ReadOnly, Admin):
    """A page of such rows."""


class HistoryInline(ReadOnly, Inline):
    """Such rows below what they belong to."""

    extra = 0
