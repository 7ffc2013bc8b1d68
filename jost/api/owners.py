"""Whose things are whose: a user sees and changes what is their own, staff everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from rest_framework.request import Request


def owner_of(request: HttpRequest | Request) -> User | None:
    """Who owns what this request makes; None where nobody signs in."""
    return request.user if isinstance(request.user, User) else None


def visible_to(user: User | AnonymousUser, things: QuerySet[Any]) -> QuerySet[Any]:
    """Limit `things`, which have an `owner`, to those that this user may see.

    Somebody else's are not found rather than forbidden: their numbers tell nothing. Where JOST asks
    nobody for a login, everything belongs to everybody.
    """
    if not settings.JOST_LOGIN or user.is_staff:
        return things
    return things.filter(owner=user) if isinstance(user, User) else things.none()
