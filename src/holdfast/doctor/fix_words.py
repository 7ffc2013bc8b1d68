"""The words of `doctor --fix`, and how it shows what it would do, does it and says what became of it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from holdfast.doctor import fixing
from holdfast.doctor.fixing import Fix
from holdfast.doctor.report import HEALTHY, SICK, Report

Say = Callable[[str], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what is to be mended, and whether it may be."""
    parser.add_argument(
        "--fix",
        action="store_true",
        help="show the repairs that are safe to make: a diff of the settings, statements for the ledger",
    )
    parser.add_argument(
        "--settings-file", type=Path, metavar="FILE", help="the file that --fix adds settings to"
    )
    parser.add_argument(
        "--resume", action="store_true", help="let --fix end pauses that were forgotten as well"
    )
    parser.add_argument("--yes", action="store_true", help="let --fix make the repairs it shows")


def mend(report: Report, options: dict[str, Any], *, say: Say) -> int:
    """Show the repairs of a report, and make them with --yes; return 1 if one failed.

    Raises:
        ValueError: the file of settings cannot be read.
    """
    wanted = fixing.fixes(report.findings, alias=_alias(), resume=options["resume"])
    path: Path | None = options["settings_file"]
    of_settings = [fix for fix in wanted if fix.lines]
    of_the_ledger = [fix for fix in wanted if fix.do is not None]
    shown = fixing.diff(path, of_settings) if path else ""
    done: dict[str, str] = {}
    if options["yes"]:
        if path and shown:
            done[str(path)] = _outcome(lambda: fixing.write(path, of_settings))
        for fix in of_the_ledger:
            done[fix.statement] = _outcome(fix.do)
    if options["json"]:
        say(json.dumps(_as_dict(wanted, shown, done)))
    else:
        for line in _lines(of_settings, of_the_ledger, shown, options, done):
            say(line)
    return SICK if any(said != "done" for said in done.values()) else HEALTHY


def _lines(
    of_settings: Sequence[Fix],
    of_the_ledger: Sequence[Fix],
    shown: str,
    options: dict[str, Any],
    done: dict[str, str],
) -> Iterator[str]:
    if not of_settings and not of_the_ledger:
        yield "Nothing of what is wrong can be mended without you."
        return
    if shown:
        yield shown.rstrip("\n")
    elif of_settings and options["settings_file"]:
        yield f"The settings that would mend it are in {options['settings_file']} already: restart what runs."
    elif of_settings:
        yield "For the settings (--settings-file FILE adds them to a file):"
        for fix in of_settings:
            yield from (f"  {line}  # {fix.finding}" for line in fix.lines)
    if of_the_ledger:
        yield "For the ledger:"
        yield from (f"  {fix.statement}  -- {fix.finding}" for fix in of_the_ledger)
    for what, said in done.items():
        yield f"{said}: {what}"
    if not options["yes"]:
        yield "Nothing was changed: say --yes to do it."


def _outcome(do: Any) -> str:
    try:
        do()
    except Exception as error:  # noqa: BLE001  # each repair by itself: the others are made all the same
        return f"failed ({type(error).__name__}: {error})"
    return "done"


def _as_dict(wanted: Sequence[Fix], shown: str, done: dict[str, str]) -> dict[str, Any]:
    return {
        "fixes": [
            {"finding": fix.finding, "lines": list(fix.lines), "statement": fix.statement}
            for fix in wanted
        ],
        "diff": shown,
        "done": done,
    }


def _alias() -> str:
    from holdfast.conf import get_settings
    from holdfast.exceptions import ConfigurationError

    try:
        return get_settings().database
    except ConfigurationError:
        return "default"
