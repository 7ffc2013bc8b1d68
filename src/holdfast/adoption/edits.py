"""The exact lines to change, as two patches: what both worlds can run, and what makes jobs durable."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

from holdfast.adoption.classes import CELERY, mentions, names_in
from holdfast.adoption.facts import Project, Setting, Source

OFF = """
# Step 1 of moving to Holdfast: all processes run it, and every job is still plain Celery's.
HOLDFAST = {"durable": False, "unsigned": "accept"}
"""
_HOMES = {"celery", "celery.app", "celery.app.base"}
BEAT = "holdfast.beat:Scheduler"


@dataclass(slots=True)
class Edits:
    """The files as they are, after step 1 and after step 2, where something changes."""

    before: dict[str, str] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    second: dict[str, str] = field(default_factory=dict)
    by_hand: list[str] = field(default_factory=list)
    """What is to be done where no line could be found."""

    def patch(self, step: int) -> str:
        """Return what a step changes, as `git apply` and `patch -p1` take it."""
        old, new = (self.before, self.first) if step == 1 else (self.first, self.second)
        return "".join(
            line
            for name in sorted(new)
            for line in difflib.unified_diff(
                old.get(name, self.before[name]).splitlines(keepends=True),
                new[name].splitlines(keepends=True),
                f"a/{name}",
                f"b/{name}",
            )
        )


def edits(project: Project) -> Edits:
    """Return what is to be changed in a project, as far as its files say where."""
    found = Edits()
    sources = {source.name: source for source in project.sources}
    _import_ours(project, sources, found)
    home = _install(project, sources, found)
    _switch(project, sources, home, found)
    _ask_for_it(project, found)
    for name, text in found.first.items():
        found.second.setdefault(name, text)
    found.second = {
        name: text for name, text in found.second.items() if text != found.first.get(name)
    }
    return found


# -- the app -------------------------------------------------------------------------------------------


def _import_ours(project: Project, sources: dict[str, Source], found: Edits) -> None:
    names = sorted({place.file for place in project.places("celery class")})
    if not names and not project.apps:
        found.by_hand.append(
            "Nowhere is a Celery app made by Celery(...): make one with `from holdfast import Celery`."
        )
    for name in names:
        source = sources[name]
        lines = source.text.splitlines(keepends=True)
        if changed := _with_import(source, lines):
            found.before[name] = source.text
            found.first[name] = changed
        elif "holdfast" not in source.text:
            found.by_hand.append(
                f"{name}: make the app with holdfast.Celery in place of celery.Celery."
            )


def _with_import(source: Source, lines: list[str]) -> str:
    """Return the text with Celery imported from holdfast; empty if that cannot be said by its lines."""
    for node in source.tree.body:
        if not (isinstance(node, ast.ImportFrom) and node.module in _HOMES and not node.level):
            continue
        if not any(alias.name == CELERY for alias in node.names):
            continue
        rest = [alias for alias in node.names if alias.name != CELERY]
        ours = next(alias for alias in node.names if alias.name == CELERY)
        new = [f"from {node.module} import {', '.join(map(_alias, rest))}\n"] if rest else []
        new.append(f"from holdfast import {_alias(ours)}\n")
        return "".join([*lines[: node.lineno - 1], *new, *lines[node.end_lineno :]])
    names = names_in(source.tree)
    mentioned = [one for one in mentions(source.tree, names) if one.id != "holdfast"]
    for node in source.tree.body:
        if mentioned and isinstance(node, ast.Import) and _imports(node, mentioned[0].id):
            # From the end, so that no place moves before it is used; columns count bytes.
            for one in sorted(
                mentioned, key=lambda one: (one.lineno, one.col_offset), reverse=True
            ):
                line = lines[one.lineno - 1].encode()
                head, tail = line[: one.col_offset], line[one.end_col_offset :]
                lines[one.lineno - 1] = (head + b"holdfast" + tail).decode()
            lines.insert(node.end_lineno or node.lineno, "import holdfast\n")
            return "".join(lines)
    return ""


def _imports(node: ast.Import, name: str) -> bool:
    return any(one.name == "celery" and (one.asname or one.name) == name for one in node.names)


def _alias(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


# -- the settings --------------------------------------------------------------------------------------


def _install(project: Project, sources: dict[str, Source], found: Edits) -> str:
    """Put the app into its list; return the file of the settings, empty if it was not found."""
    place = _list_of_apps(project)
    if place is None:
        found.by_hand.append('Add "holdfast" to INSTALLED_APPS, wherever your settings make it.')
        return next(iter(setting.place.file for setting in _celerys(project)), "")
    name = place.place.file
    if project.installed("holdfast"):
        return name
    source = sources[name]
    node = next(
        each
        for each in ast.walk(source.tree)
        if isinstance(each, ast.Assign | ast.AnnAssign | ast.AugAssign)
        and each.lineno == place.place.line
    )
    listed = _last_list(node.value)
    if listed is None:
        found.by_hand.append(f'Add "holdfast" to {place.name} in {name}.')
        return name
    lines = source.text.splitlines(keepends=True)
    found.before[name] = source.text
    found.first[name] = _with_app(lines, listed)
    return name


def _last_list(node: ast.expr | None) -> ast.List | ast.Tuple | None:
    """Return the list that stands in an assignment, of a sum of lists the last one."""
    if isinstance(node, ast.BinOp):
        return _last_list(node.right) or _last_list(node.left)
    return node if isinstance(node, ast.List | ast.Tuple) else None


def _list_of_apps(project: Project) -> Setting | None:
    """Return the list that a library is added to: that of third parties, or the one there is."""
    lists = [
        setting
        for setting in project.settings
        if setting.key.endswith("APPS") and isinstance(setting.value, list | tuple)
    ]
    # The last of these that there is.
    chosen = [
        *(one for one in lists if one.key == "INSTALLED_APPS"),
        *(one for one in lists if "django." in " ".join(map(str, one.value))),
        *(one for one in lists if "THIRD" in one.name or "EXTERNAL" in one.name),
    ]
    return chosen[-1] if chosen else None


def _with_app(lines: list[str], node: ast.List | ast.Tuple) -> str:
    end = (node.end_lineno or node.lineno) - 1
    if node.lineno - 1 == end or not node.elts:
        # On one line.
        at = (node.end_col_offset or 1) - 1
        head = lines[end][:at].rstrip()
        comma = "" if head.endswith((",", "[", "(")) else ", "
        lines[end] = f'{head}{comma}"holdfast"{lines[end][at:]}'
        return "".join(lines)
    last = node.elts[-1]
    at = (last.end_lineno or last.lineno) - 1
    indent = " " * (len(lines[at]) - len(lines[at].lstrip()))
    after = lines[at][last.end_col_offset :]
    if not after.lstrip().startswith(","):
        lines[at] = f"{lines[at][: last.end_col_offset]},{after}"
    lines.insert(at + 1, f'{indent}"holdfast",\n')
    return "".join(lines)


def _celerys(project: Project) -> Iterator[Setting]:
    return (one for one in project.settings if one.name.startswith(("CELERY", "BROKER")))


def _switch(project: Project, sources: dict[str, Source], home: str, found: Edits) -> None:
    """Say in step 1 that nothing is durable yet, and unsay it in step 2; change the scheduler there."""
    if not home or project.of("HOLDFAST"):
        found.by_hand.append(
            'Step 1: HOLDFAST = {"durable": False, "unsigned": "accept"} in the settings. Step 2: without.'
        )
    else:
        text = found.first.get(home, sources[home].text)
        found.before.setdefault(home, sources[home].text)
        found.second[home] = text
        found.first[home] = text.rstrip("\n") + "\n" + OFF
    for setting in project.of("beat_scheduler"):
        name = setting.place.file
        if setting.value == BEAT or not isinstance(setting.value, str):
            continue
        text = found.second.get(name, found.first.get(name, sources[name].text))
        found.before.setdefault(name, sources[name].text)
        found.first.setdefault(name, sources[name].text)
        found.second[name] = text.replace(setting.value, BEAT)


# -- the libraries -------------------------------------------------------------------------------------


def _ask_for_it(project: Project, found: Edits) -> None:
    """Add holdfast beside celery where the project asks for that, in files of one library a line."""
    if project.package("holdfast") is not None:
        return
    asked = project.package("celery")
    if asked is None or not asked.place.file.endswith((".txt", ".in")):
        found.by_hand.append("Ask for holdfast[redis] beside celery, and for celery>=5.7,<5.8.")
        return
    name = asked.place.file
    text = (project.root / name).read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    lines.insert(asked.place.line, "holdfast[redis]\n")
    found.before[name] = text
    found.first[name] = "".join(lines)
