"""Lets a test say who it is: a header in place of a login."""

from __future__ import annotations

from django.http import HttpRequest


def of_header(request: HttpRequest) -> tuple[str, str] | None:
    """Return the role and the name that the request says of itself; None if it says nothing."""
    role = request.headers.get("X-Test-Role")
    return (role, f"{role}@test") if role else None
