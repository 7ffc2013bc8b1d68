"""What the admins of JOST's apps share: typed bases, and rows that are shown and never written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.db.models import QuerySet

    Admin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
else:
    Admin = admin.ModelAdmin
    Inline = admin.TabularInline


_PAGES_THAT_DELETE_USERS = ("auth_user_delete", "auth_user_changelist")


class ReadOnly:
    """Shows rows to whoever may view them; nobody adds, changes or deletes one here.

    They go with the user whose they are: who may delete users is not held up by their histories.
    """

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, *_: Any) -> bool:
        page = request.resolver_match
        of_users = page is not None and page.url_name in _PAGES_THAT_DELETE_USERS
        return of_users and request.user.has_perm("auth.delete_user")


class HistoryAdmin(ReadOnly, Admin):
    """A page of such rows."""


def note(request: HttpRequest, things: QuerySet[Any], *, message: str) -> None:
    """Write into the history of each of these what somebody did with it by an action."""
    assert isinstance(request.user, User)
    LogEntry.objects.log_actions(
        request.user.pk, things, CHANGE, change_message=message, single_object=False
    )


class HistoryInline(ReadOnly, Inline):
    """Such rows below what they belong to."""

    extra = 0
