"""Addresses of the console's own pages, as one page has them of another; empty where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode


def address(route: str, *arguments: Any, **query: Any) -> str:
    """Return the address of a page by its name; empty if there is none, or its arguments do not fit it."""
    try:
        found: str = reverse(f"holdfast:{route}", args=arguments)
    except NoReverseMatch:
        return ""
    return f"{found}?{urlencode(query)}" if query else found


def queue(name: str) -> str:
    """Return the page of a queue, or else the list of all."""
    return address("queue", name) or address("queues")


def jobs(**wanted: str) -> str:
    """Return the list of the jobs that fit: words of its search, such as task=... and state=..."""
    return address("jobs", q=_words(wanted))


def operation(kind: str, **wanted: str) -> str:
    """Return the page that counts the jobs that fit, and asks whether this is to be done to all of them."""
    return address("operation-new", kind=kind, filter=_words(wanted))


def _words(wanted: Mapping[str, str]) -> str:
    return " ".join(
        f'{key}:"{value}"' if " " in value else f"{key}:{value}" for key, value in wanted.items()
    )
