"""What the console's templates say often: moments, lengths of time, counts, states, icons, buttons, charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from holdfast.console import state_names
from holdfast.console.access import role
from holdfast.console.numbers import grouped
from holdfast.console.pages import ACTIONS
from holdfast.console.trees import tree

register = template.Library()

# What stands where there is no value.
NOTHING = "\N{EN DASH}"

_ICONS = Path(__file__).resolve().parents[1] / "static" / "holdfast" / "icons.svg"
_ENDS = ("succeeded", "failed", "dead", "cancelled", "expired")
_UNITS = ((86_400.0, "d", 3600.0, "h"), (3600.0, "h", 60.0, "min"), (60.0, "min", 1.0, "s"))


@register.filter
def when(moment: datetime | None) -> SafeString | str:
    """A moment, which the browser shows in its own zone and says how long ago it was."""
    if moment is None:
        return NOTHING
    utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{} UTC</time>',
        utc.isoformat(),
        utc.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        utc.strftime("%Y-%m-%d %H:%M:%S"),
    )


@register.filter
def duration(seconds: float | None) -> str:
    """A length of time in two units at most: 340 µs, 12 ms, 3.4 s, 2 min 5 s, 1 h 3 min, 4 d 2 h."""
    if seconds is None:
        return NOTHING
    sign, length = ("-", -seconds) if seconds < 0 else ("", float(seconds))
    for size, unit, smaller, smaller_unit in _UNITS:
        if length >= size:
            whole, rest = divmod(length, size)
            more = int(rest // smaller)
            return f"{sign}{int(whole)} {unit}" + (f" {more} {smaller_unit}" if more else "")
    if length >= 1 or length == 0:
        return f"{sign}{number_format(f'{length:.3g}')} s"
    if length >= 0.001:
        return f"{sign}{number_format(f'{length * 1000:.3g}')} ms"
    return f"{sign}{length * 1e6:.0f} µs"


@register.filter
def count(number: float | None) -> str:
    """A number in groups of three digits."""
    if number is None:
        return NOTHING
    return grouped(number)


@register.filter
def percent(share: float | None) -> str:
    """A share of one as a percentage."""
    return NOTHING if share is None else f"{share * 100:.0f} %"


@register.filter
def as_json(value: Any) -> SafeString:
    """A value of JSON as a tree that folds; long texts and lists in part, and that is said."""
    return tree(value)


@register.simple_tag
def state(name: str) -> SafeString:
    """A state as a pill: its colour is never alone."""
    return format_html('<span class="pill state-{}">{}</span>', name, state_names.named(name))


@register.filter
def named(name: str) -> str:
    """The name of a state where it stands in a sentence or beside a number."""
    return state_names.named(name)


@register.simple_tag
def state_words() -> str:
    """The names of all states, for a script: an object of JSON."""
    return json.dumps(state_names.all_names(), ensure_ascii=False)


@register.simple_tag
def icon(name: str) -> SafeString:
    """A small picture that stands beside a text."""
    if name not in _known_icons():
        raise template.TemplateSyntaxError(f"There is no icon {name!r} in icons.svg")
    return format_html(
        '<svg class="icon" aria-hidden="true" width="16" height="16"><use href="{}#{}"></use></svg>',
        static("holdfast/icons.svg"),
        name,
    )


@lru_cache(maxsize=1)
def _known_icons() -> frozenset[str]:
    return frozenset(part.split('"')[0] for part in _ICONS.read_text().split('<symbol id="')[1:])


@register.simple_tag(takes_context=True)
def live(context: Context) -> SafeString:
    """Attributes of a part with an id that fetches itself again when something may have changed."""
    request = context["request"]
    return format_html(
        'hx-get="{}" hx-select="#live" hx-target="this" hx-swap="outerHTML" hx-trigger="holdfast:tick from:body" '
        'aria-live="off"',
        request.get_full_path(),
    )


@register.inclusion_tag("holdfast/parts/act.html", takes_context=True)
def act(
    context: Context,
    name: str,
    *arguments: Any,
    label: Any = "",
    confirm: Any = "",
    style: str = "",
    icon: str = "",
    **values: Any,
) -> dict[str, Any]:
    """A button for an action, where the user may; one that asks something leads to its form.

    Args:
        context: of the page.
        name: of the action.
        arguments: of its address.
        label: in place of the action's own.
        confirm: a question to answer first.
        style: primary, danger or quiet; nothing for the usual button.
        icon: before the text.
        values: fields that are sent along, so that nothing is asked.
    """
    action = ACTIONS.get(name)
    request = context["request"]
    allowed = action is not None and role(request) >= action.needs
    asks = action is not None and action.form is not None and not values
    return {
        "allowed": allowed,
        "asks": asks,
        "url": reverse(f"holdfast:{name}", args=arguments) if allowed else "",
        "label": label or (action.label if action else ""),
        "confirm": confirm,
        "style": style,
        "icon": icon,
        "values": values,
        "request": request,
        "csrf_token": context.get("csrf_token", ""),
    }


@register.simple_tag
def empty(text: Any, hint: Any = "") -> SafeString:
    """What stands where a list has nothing."""
    more = format_html('<p class="muted">{}</p>', hint) if hint else ""
    return format_html('<div class="empty"><p>{}</p>{}</div>', text, more)


@register.simple_tag
def chart(data: str, label: Any, kind: str = "") -> SafeString:
    """A place for a chart of the data in the `json_script` with the id `data`; `kind` says how it is drawn.

    In a part that fetches itself the drawing stays, and takes up the new data.
    """
    return format_html(
        '<figure class="chart" id="chart-{}" hx-preserve="true" data-chart="{}" data-kind="{}" '
        'aria-label="{}"></figure>',
        data,
        data,
        kind,
        label,
    )


@register.simple_tag
def bar(parts: Sequence[Any]) -> SafeString:
    """A bar of jobs by state, ends first; `parts` have `state` and `count`. Its words must stand beside it."""
    known = {part.state: part.count for part in parts}
    order = [*(s for s in _ENDS if s in known), *(s for s in reversed(known) if s not in _ENDS)]
    whole, at = sum(known.values()) or 1, 0.0
    drawn = []
    for name in order:
        width = 1000 * known[name] / whole
        drawn.append((name, f"{at:.1f}", f"{max(width, 4):.1f}"))
        at += width
    rows = format_html_join(
        "", '<rect class="part-{}" x="{}" width="{}" height="10"></rect>', drawn
    )
    return format_html(
        '<svg class="parts" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        rows,
    )


@register.simple_tag
def jobs_count(number: int, *, exact: bool = True) -> str:
    """A number of jobs in words; one that is not exact says so."""
    text = ngettext("%(n)s job", "%(n)s jobs", number) % {"n": grouped(number)}
    return text if exact else _("about %(jobs)s") % {"jobs": text}


@register.simple_tag(takes_context=True)
def with_query(context: Context, **changes: Any) -> SafeString:
    """The address of this page with some of what it asks changed; None takes it away."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        query.pop(key, None)
        if value is not None:
            query[key] = value
    return mark_safe("?" + query.urlencode().replace("&", "&amp;"))  # noqa: S308  # urlencode leaves nothing to escape
