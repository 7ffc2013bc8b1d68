"""JSON as people read it: a tree of <details> that folds without any script."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from holdfast.console.numbers import grouped

# What is shown of a long list, a long text, a deep tree; the rest is said to be there.
MOST_ITEMS = 100
MOST_TEXT = 2000
DEEPEST = 12
# Up to so many letters a list or an object stands in one line.
SHORT = 60


def tree(value: Any, *, depth: int = 0) -> SafeString:
    """Return a value of JSON as HTML; everything in it is escaped."""
    if isinstance(value, dict | list) and value:
        short = _text(value)
        if len(short) > SHORT:
            return _folded(value, depth)
        return format_html('<span class="json">{}</span>', short)
    kind = "text" if isinstance(value, str) else "value"
    return format_html('<span class="json json-{}">{}</span>', kind, _cut(_text(value)))


def _folded(value: dict[str, Any] | list[Any], depth: int) -> SafeString:
    if depth >= DEEPEST:
        return format_html('<span class="json">{}</span>', _cut(_text(value)))
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    rows = format_html_join(
        "",
        "<li><span class='json-key'>{}</span> {}</li>",
        ((key, tree(each, depth=depth + 1)) for key, each in pairs[:MOST_ITEMS]),
    )
    left = len(pairs) - MOST_ITEMS
    more = (
        format_html("<li class='muted'>{}</li>", _("%(n)s more") % {"n": left}) if left > 0 else ""
    )
    kind = _("object of %(n)s") if isinstance(value, dict) else _("list of %(n)s")
    opened = "open" if depth < 2 else ""
    return format_html(
        "<details class='json' {}><summary>{}</summary><ul>{}{}</ul></details>",
        opened,
        kind % {"n": len(pairs)},
        rows,
        more,
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    if len(text) <= MOST_TEXT:
        return text
    return (
        text[:MOST_TEXT] + " " + _("... %(n)s letters more") % {"n": grouped(len(text) - MOST_TEXT)}
    )
