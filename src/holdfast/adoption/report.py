"""What was found, as text for people and as JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from holdfast.adoption.edits import Edits
from holdfast.adoption.facts import UNKNOWN, Place, Project
from holdfast.adoption.rollout import Step
from holdfast.adoption.rules import Kind, Note

MOST_PLACES = 5
WIDTH = 110
HEADS: dict[Kind, str] = {
    "stops": "STOPS: solve this first",
    "change": "CHANGE: by hand, and when",
    "gain": "GAIN: what these lines get",
    "watch": "WATCH: what is another than before",
}


def text(project: Project, notes: list[Note], edits: Edits, steps: list[Step]) -> Iterator[str]:
    """Yield the lines of the report."""
    yield from _summary(project)
    for number, step in enumerate(steps):
        yield ""
        yield step.title
        for line in step.does:
            yield from _wrapped(f"- {line}", "  ")
        if number in {1, 2}:
            yield ""
            yield from (f"    {line}" for line in (edits.patch(number) or "nothing").splitlines())
    if edits.by_hand:
        yield ""
        yield "Patches leave this to you"
        for line in edits.by_hand:
            yield from _wrapped(f"- {line}", "  ")
    for kind, head in HEADS.items():
        found = [note for note in notes if note.rule.kind == kind]
        if found:
            yield ""
            yield head
        for note in found:
            yield from _note(note)


def as_json(project: Project, notes: list[Note], edits: Edits, steps: list[Step]) -> dict[str, Any]:
    """Return the same as one value."""
    return {
        "root": str(project.root),
        "apps": [{"name": app.detail, **_place(app.place)} for app in project.apps],
        "tasks": [
            {
                "name": task.name,
                "base": task.base,
                "options": {key: _plain(value) for key, value in task.options.items()},
                **_place(task.place),
            }
            for task in project.tasks
        ],
        "notes": [
            {
                "id": note.rule.id,
                "kind": note.rule.kind,
                "title": note.rule.title,
                "says": note.rule.says,
                "do": note.rule.do,
                "places": [_place(place) for place in note.places],
            }
            for note in notes
        ],
        "patches": [edits.patch(1), edits.patch(2)],
        "by_hand": edits.by_hand,
        "steps": [{"title": step.title, "does": list(step.does)} for step in steps],
        "unread": [_place(place) for place in project.unread],
    }


def _summary(project: Project) -> Iterator[str]:
    apps = ", ".join(f"{app.detail or '?'} ({app.place.file})" for app in project.apps) or "none"
    yield f"{project.root}: {len(project.sources)} Python files; Celery apps: {apps}."
    sent = len(project.places("chain", "group", "chord", "send_task", "delayed"))
    yield (
        f"{len(project.tasks)} tasks; {sent} calls with a delay or in a canvas; "
        f"{len(project.commands)} commands that start Celery."
    )
    for place in project.unread:
        yield f"Not read: {place.file}, line {place.line}: {place.text}"


def _note(note: Note) -> Iterator[str]:
    yield f"  {note.rule.title}"
    yield from _wrapped(note.rule.says, "    ")
    yield from _wrapped(f"Do: {note.rule.do}", "    ")
    for place in note.places[:MOST_PLACES]:
        yield f"    {place.file}:{place.line}: {place.text[:80]}"
    if len(note.places) > MOST_PLACES:
        yield f"    and {len(note.places) - MOST_PLACES} more (--json has all)"


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(
        line,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + ("  " if line.startswith("- ") else ""),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "text": place.text}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(each) for each in value]
    return (
        "?" if value is UNKNOWN or not isinstance(value, str | int | float | bool | None) else value
    )
