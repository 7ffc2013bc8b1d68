"""How moments look on every page; a library of filters that each template has."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()
_UNITS = (
    (timedelta(days=365), "y"),
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
)


@register.filter
def lasting(moment: datetime) -> str:
    """How long since, in one short unit."""
    length = timezone.now() - moment
    for unit, name in _UNITS:
        if length >= unit:
            # A number is not parted from its unit at the end of a line.
            return f"{length // unit}\u00a0{name}"
    return "<\u00a01\u00a0min"


@register.filter
def ago(moment: datetime) -> str:
    """How long ago, in one short unit."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{lasting(moment)} ago"


@register.filter
def at(moment: datetime | None) -> SafeString | str:
    """A day and a time of it, which are parted at the end of a line but not broken; nothing for none."""
    if moment is None:
        return ""
    day, time = f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}".split()
    whole = '<time class="at" datetime="{}"><span>{}</span> <span>{}</span></time>'
    return format_html(whole, moment.isoformat(), day, time)
