"""What jobs that failed alike have in common beside their error: where one value stands out among a few of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.utils.translation import gettext as _

from holdfast.dispatch import calls
from holdfast.dispatch.known import task_named
from holdfast.dispatch.redaction import STARS, redaction_of
from holdfast.ledger.reads import errors, letters

# Jobs that are looked at, those whose arguments are read, and how many must say the same to be told.
MOST = 100
MOST_CALLS = 40
FEWEST = 3
SHARE = 0.6
LONGEST = 120
ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """One thing that most of the jobs have in common."""

    what: str
    value: str
    count: int
    of: int
    """Jobs of which this is known."""

    @property
    def percent(self) -> int:
        """The share of them, in percent."""
        return round(100 * self.count / self.of)


def alike(ids: Sequence[str]) -> list[Alike]:
    """Return what most of these jobs have in common, the greatest share first; of arguments what people may see.

    Reads the rows of a hundred jobs and the arguments of forty at most.
    """
    ids = ids[:MOST]
    seen: dict[str, Counter[str]] = {}
    for row in errors.places(ids):
        _count(seen, _("queue"), row["queue"])
        _count(seen, _("priority"), row["priority"] or None)
        _count(seen, _("batch"), row["batch_id"])
    for name, release in errors.last_workers(ids).values():
        _count(seen, _("worker"), name)
        _count(seen, _("code of the worker"), release[:12])
    for message in letters.messages(ids[:MOST_CALLS]).values():
        for name, value in _arguments(message).items():
            _count(seen, name, value)
    found = [_most(what, values) for what, values in seen.items()]
    told = [each for each in found if each is not None]
    return sorted(told, key=lambda each: (-each.count / each.of, -each.of))[:ROWS]


def _count(seen: dict[str, Counter[str]], what: str, value: Any) -> None:
    if value is not None and value not in ("", STARS):
        text = value if isinstance(value, str) else repr(value)
        seen.setdefault(what, Counter())[text] += 1


def _most(what: str, values: Counter[str]) -> Alike | None:
    value, count = values.most_common(1)[0]
    total = values.total()
    if count < FEWEST or count / total < SHARE or len(value) > LONGEST:
        return None
    return Alike(what=what, value=value, count=count, of=total)


def _arguments(message: Any) -> dict[str, Any]:
    call = calls.shown(current_app, message)
    names = redaction_of(task_named(current_app, message.task)).parameters
    found: dict[str, Any] = {}
    if isinstance(call.args, list):
        for place, value in enumerate(call.args):
            name = names[place] if place < len(names) and names[place] else str(place)
            found[_("argument %(name)s") % {"name": name}] = value
    if isinstance(call.kwargs, Mapping):
        for name, value in call.kwargs.items():
            found[_("argument %(name)s") % {"name": name}] = value
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}
