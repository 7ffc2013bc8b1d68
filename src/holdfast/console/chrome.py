"""What stands around every page: the navigation, who is looking, what the palette finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from holdfast import __version__
from holdfast.conf import get_settings
from holdfast.console.access import Role, actor, role

# Name of the page, label, icon, key after `g`.
NAVIGATION: tuple[tuple[str, Any, str, str], ...] = (
    ("overview", _("Overview"), "pulse", "o"),
    ("jobs", _("Jobs"), "list", "j"),
    ("errors", _("Errors"), "alert", "e"),
    ("queues", _("Queues"), "stack", "q"),
    ("workers", _("Workers"), "cpu", "w"),
    ("schedules", _("Schedules"), "clock", "s"),
    ("batches", _("Batches"), "boxes", "b"),
    ("limits", _("Limits"), "gauge", "l"),
    ("operations", _("Operations"), "play", "p"),
    ("alerts", _("Alerts"), "bell", "t"),
    ("activity", _("Activity"), "person", "a"),
    ("doctor", _("Doctor"), "heart", "d"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """A page that can be reached from everywhere."""

    name: str
    label: str
    icon: str
    key: str
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Chrome:
    """What surrounds a page."""

    links: list[Link]
    role: Role
    who: str
    read_only: bool
    version: str
    root: str


def of(request: HttpRequest) -> Chrome:
    """Return what stands around the page that was asked for."""
    links = []
    match = request.resolver_match
    here = (match.url_name or "") if match else ""
    for name, label, icon, key in NAVIGATION:
        try:
            url = reverse(f"holdfast:{name}")
        except NoReverseMatch:
            continue
        # The page of one job is part of the jobs.
        current = (
            here == name or here.startswith(name.rstrip("s") + "-") or here == name.rstrip("s")
        )
        links.append(Link(name, str(label), icon, key, url, current))
    return Chrome(
        links=links,
        role=role(request),
        who=actor(request),
        read_only=get_settings().console_read_only,
        version=__version__,
        root=reverse("holdfast:overview"),
    )
