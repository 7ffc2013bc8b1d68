"""`doctor --fix`: the repairs that are safe to make by themselves, shown first, and made only where --yes is said.

Safe is what loses no data, stops no process and can be made twice: an index that is missing, a vacuum, a setting that
has one right value. All else stays with whoever reads the finding. What if the process dies half-way? A settings file
is replaced as a whole or not at all; statements go one by one, and what was not made is found again.
"""

from __future__ import annotations

import ast
import difflib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from holdfast.doctor.findings import Finding

_WAL = '"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One repair: lines for the settings, or something to be done to the ledger's database."""

    finding: str
    """The id it is for."""
    lines: tuple[str, ...] = ()
    statement: str = ""
    """What is done to the ledger, as people read it."""
    do: Callable[[], Any] | None = field(default=None, compare=False)


def fixes(findings: Sequence[Finding], *, alias: str, resume: bool = False) -> list[Fix]:
    """Return the repairs of findings that are safe; with `resume` those too that end forgotten pauses.

    Args:
        findings: of one examination.
        alias: of the ledger's database.
        resume: whether somebody has asked for the pauses to end.
    """
    found: list[Fix] = []
    for finding in findings:
        short = finding.id.removeprefix("holdfast.")
        if lines := _LINES.get(short):
            found.append(
                Fix(finding=finding.id, lines=tuple(line.format(alias=alias) for line in lines))
            )
        else:
            found += _of_the_ledger(short, finding, resume=resume)
    return found


def diff(path: Path, wanted: Sequence[Fix]) -> str:
    """Return what `write` would change in a file of settings, as a unified diff; empty if nothing.

    Raises:
        ValueError: there is no such file, or it is no Python.
    """
    before = _read(path)
    after = _with_lines(before, wanted)
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            fromfile=str(path),
            tofile=str(path),
        )
    )


def write(path: Path, wanted: Sequence[Fix]) -> bool:
    """Add the lines of the repairs to a file of settings; False: they are in it already.

    Raises:
        ValueError: there is no such file, it is no Python, or it cannot be written; it is as it was then.
    """
    before = _read(path)
    after = _with_lines(before, wanted)
    if after == before:
        return False
    try:
        ast.parse(after)
        _replace(path, after)
    except (OSError, SyntaxError) as error:
        raise ValueError(
            f"{path} cannot be written: {error}; add the lines of the diff by hand"
        ) from error
    return True


# A setting that has one right value, whatever the project. They come after what the file says, so they win.
_LINES: dict[str, tuple[str, ...]] = {
    "E003": ('DATABASES["{alias}"].setdefault("OPTIONS", {{}})["transaction_mode"] = "IMMEDIATE"',),
    "W006": (
        "CELERY_BROKER_CONNECTION_RETRY = True",
        "CELERY_BROKER_CONNECTION_MAX_RETRIES = None",
    ),
    "W414": ('DATABASES["{alias}"]["DISABLE_SERVER_SIDE_CURSORS"] = True',),
    "I419": (
        'DATABASES["{alias}"]["CONN_MAX_AGE"] = 600',
        'DATABASES["{alias}"]["CONN_HEALTH_CHECKS"] = True',
    ),
    "W427": (f'DATABASES["{{alias}}"].setdefault("OPTIONS", {{{{}}}})["init_command"] = {_WAL}',),
    "W428": (f'DATABASES["{{alias}}"].setdefault("OPTIONS", {{{{}}}})["init_command"] = {_WAL}',),
    "W429": ('DATABASES["{alias}"].setdefault("OPTIONS", {{}})["timeout"] = 20',),
    "W636": ('CELERY_BEAT_SCHEDULER = "holdfast.beat:Scheduler"',),
    "E701": ("DEBUG = False",),
    "W704": ("SESSION_COOKIE_SECURE = True", "CSRF_COOKIE_SECURE = True"),
}


def _of_the_ledger(short: str, finding: Finding, *, resume: bool) -> Iterator[Fix]:
    from holdfast import pausing
    from holdfast.ledger import mending

    data = finding.data
    if short in {"E423", "E424"}:
        name = data["index"]
        yield Fix(
            finding=finding.id, statement=f"{data['sql']};", do=lambda: mending.build_index(name)
        )
    elif short == "W425":
        table = data["table"]
        yield Fix(
            finding=finding.id,
            statement=f"VACUUM (ANALYZE) {table};",
            do=lambda: mending.vacuum(table),
        )
    elif short == "W426":
        for one in data.get("tables", ()):
            yield Fix(
                finding=finding.id,
                statement=f"ALTER TABLE {one} RESET (autovacuum_enabled);",
                do=lambda one=one: mending.let_be_vacuumed(one),  # type: ignore[misc]  # the default binds the name
            )
    elif short == "W604" and resume:
        what = {data["kind"]: data["name"]}
        yield Fix(
            finding=finding.id,
            statement=f"manage.py holdfast resume --{data['kind']} {quote(data['name'])}",
            do=lambda: pausing.resume(actor="doctor --fix", **what),
        )


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
        ast.parse(text)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"{path} is no file of settings: {error}") from error
    return text


def _with_lines(text: str, wanted: Sequence[Fix]) -> str:
    """Return a file's text with the lines that do not hold in it at the end, each once."""
    holding = _last_assignments(text)
    added: list[str] = []
    for fix in wanted:
        new = {
            target: line for line in fix.lines for target, line in _last_assignments(line).items()
        }
        lines = [line for target, line in new.items() if holding.get(target) != line]
        if lines:
            added += [f"# {fix.finding}, written by manage.py holdfast doctor --fix", *lines]
            holding |= new
    if not added:
        return text
    end = "" if text.endswith("\n") or not text else "\n"
    return "\n".join([text + end, *added]) + "\n"


def _last_assignments(text: str) -> dict[str, str]:
    """Return the last assignment to each target at the top of a file, as it is written: it is the one that holds."""
    return {
        ast.unparse(node.targets[0]): ast.get_source_segment(text, node) or ""
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and len(node.targets) == 1
    }


def _replace(path: Path, text: str) -> None:
    """Put a file in the place of another as a whole: whoever reads it sees the old one or the new one."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
