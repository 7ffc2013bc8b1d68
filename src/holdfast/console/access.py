"""Who may look, operate and administer: Django's permissions, or a function of the project's own.

Closed by default: who is not signed in, or signed in without a permission, sees nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from holdfast.conf import get_settings
from holdfast.exceptions import ConfigurationError


class Role(IntEnum):
    """What somebody may do; each role may do what those below it may."""

    NONE = 0
    VIEW = 1
    OPERATE = 2
    ADMINISTER = 3

    @property
    def permission(self) -> str:
        """The permission that gives the role."""
        return f"holdfast.{self.name.lower()}_console"


NONE, VIEW, OPERATE, ADMINISTER = Role
NAMES = {VIEW: _("view"), OPERATE: _("operate"), ADMINISTER: _("administer")}


def role(request: HttpRequest) -> Role:
    """Return what the request's user may do; read-only mode leaves nobody more than looking."""
    given = full_role(request)
    return min(given, VIEW) if get_settings().console_read_only else given


def full_role(request: HttpRequest) -> Role:
    """Return what the user may do where the console is not read-only."""
    found = _asked(request)
    return found[0] if found else _by_permissions(getattr(request, "user", None))


def actor(request: HttpRequest) -> str:
    """Return the name that goes into the audit."""
    found = _asked(request)
    if found and found[1]:
        return found[1]
    user = getattr(request, "user", None)
    return str(user.get_username()) if user is not None and user.is_authenticated else "console"


def _by_permissions(user: Any) -> Role:
    if user is None or not user.is_authenticated or not user.is_active:
        return NONE
    return next(
        (each for each in (ADMINISTER, OPERATE, VIEW) if user.has_perm(each.permission)), NONE
    )


def _asked(request: HttpRequest) -> tuple[Role, str] | None:
    """Ask the project's own function, if there is one; None, there or here, leaves it to Django's permissions."""
    path = get_settings().console_access
    if not path:
        return None
    said = import_string(path)(request)
    if said is None:
        return None
    name, who = said if isinstance(said, tuple) else (said, "")
    try:
        return Role[str(name).upper()], str(who)
    except KeyError:
        raise ConfigurationError(
            f"{path}, which HOLDFAST['console_access'] names, returned {name!r}: it must return 'none', 'view', "
            "'operate' or 'administer', one of these and the name of who it is, or None for Django's permissions"
        ) from None
