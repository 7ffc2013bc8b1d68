"""Hold the tasks of the code against tasks.lock and against the jobs that wait: would a deploy break one?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celery import current_app
from django.core.management.base import CommandError, CommandParser

from holdfast.management.terminal import Terminal
from holdfast.signatures import lockfile
from holdfast.signatures.report import Finding, findings
from holdfast.signatures.rows import Rows, hold_against
from holdfast.signatures.shapes import Shape, shapes_of


def add_arguments(parser: CommandParser) -> None:
    """Take what is to be done, and what is compared."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit 1 if a job that was recorded by the old code could break",
    )
    what.add_argument(
        "--write",
        action="store_true",
        help="write the lock anew, unless a job that waits would break: that is exit 1",
    )
    parser.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="the lock to compare with or to write, such as that of the release that runs (tasks.lock)",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="with --check: exit 1 for harmless differences too, so that the lock is always up to date",
    )
    parser.add_argument(
        "--without-ledger",
        action="store_true",
        help="compare the code with the lock alone, where the database is not at hand",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Compare, tell, and write if asked.

    Raises:
        CommandError: something breaks, or the lock is missing or not up to date.
    """
    path = options["lock"] or lockfile.default_path()
    new = shapes_of(current_app)
    old = lockfile.read(path) if options["check"] else _as_far_as_readable(path)
    rows = None if options["without_ledger"] else hold_against(current_app, old=old, new=new)
    told = findings(old, new, rows)
    refusal = _refusal(options, told, rows, path)
    if options["write"] and refusal is None:
        lockfile.write(path, new)
    if options["json"]:
        terminal.json(_as_json(told, rows, path, ok=refusal is None))
    else:
        for line in _lines(told, rows):
            terminal.say(line)
        if refusal is None:
            terminal.say(f"{path} is written." if options["write"] else "Nothing breaks.")
    if refusal is not None:
        raise CommandError(refusal)


def _as_far_as_readable(path: Path) -> dict[str, Shape]:
    try:
        return lockfile.read(path)
    except lockfile.BadLock:  # it is made anew, and the jobs that wait are asked all the same
        return {}


def _refusal(
    options: dict[str, Any], told: list[Finding], rows: Rows | None, path: Path
) -> str | None:
    breaking = rows.breaking if rows else 0
    if options["write"]:
        return (
            f"{_jobs(breaking)} would break: {path} is left as it is. Mend it as said above, "
            "or write it with --without-ledger if they may be lost."
            if breaking
            else None
        )
    if any(finding.breaks for finding in told):
        accept = "" if breaking else " To accept the changes, as no job breaks here: --write."
        return f"The code does not fit what was called: {_jobs(breaking)} would break.{accept}"
    if told and options["exact"]:
        return (
            f"{path} is not up to date: run `manage.py holdfast signatures --write` and commit it."
        )
    return None


def _lines(told: list[Finding], rows: Rows | None) -> Iterator[str]:
    if rows is None:
        yield "Jobs that wait: not asked (--without-ledger)."
    else:
        yield f"{_jobs(rows.read)} read, {rows.breaking} would break."
        if rows.unreadable:
            yield f"{_jobs(rows.unreadable)} cannot be read here: their workers will say why."
    for finding in told:
        parameter = f"({finding.parameter})" if finding.parameter else ""
        mark = "BREAKS" if finding.breaks else "told  "
        yield f"{mark} {finding.task}{parameter}: {finding.what}{_broken(finding, rows)}"
        if finding.repair:
            yield f"       repair: {finding.repair}"


def _broken(finding: Finding, rows: Rows | None) -> str:
    if not finding.breaks or rows is None:
        return ""
    if not finding.rows:
        return "; no job here breaks"
    place = f" in a {' or '.join(finding.where)}" if finding.where else ""
    more = ", ..." if finding.rows > len(finding.jobs) else ""
    return f"; breaks {_jobs(finding.rows)}{place}: {', '.join(finding.jobs)}{more}"


def _jobs(count: int) -> str:
    return "1 job that waits" if count == 1 else f"{count} jobs that wait"


def _as_json(told: list[Finding], rows: Rows | None, path: Path, *, ok: bool) -> dict[str, Any]:
    return {
        "ok": ok,
        "lock": str(path),
        "rows": rows
        and {"read": rows.read, "breaking": rows.breaking, "unreadable": rows.unreadable},
        "findings": [asdict(finding) for finding in told],
    }
