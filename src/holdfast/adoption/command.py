"""The command's answer, wherever it is asked: `python -m holdfast.adoption` needs neither settings nor services."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from holdfast.adoption import edits, files, report, rollout, rules


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the project, and how to print it."""
    parser.add_argument(
        "path", nargs="?", default=".", help="folder of the project, with its manage.py (here)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print one JSON value")
    how.add_argument(
        "--patch",
        type=int,
        choices=(1, 2),
        help="print the patch of this step alone, for `git apply`; that of step 2 comes on top of the first",
    )


def answer(*, path: str, as_json: bool, patch: int | None) -> str:
    """Read a project and return what is to be said; nothing of it is imported or changed.

    Raises:
        NotADirectoryError: there is no such folder.
    """
    project = files.read(Path(path))
    found, told, steps = edits.edits(project), rules.notes(project), rollout.steps(project)
    if patch is not None:
        return found.patch(patch)
    if as_json:
        return json.dumps(report.as_json(project, told, found, steps), indent=1)
    return "\n".join(report.text(project, told, found, steps))


def main(words: list[str]) -> int:
    """Print the answer; return the exit code: 2 if there is no such folder."""
    parser = argparse.ArgumentParser(prog="python -m holdfast.adoption", description=_HELP)
    add_arguments(parser)
    options: dict[str, Any] = vars(parser.parse_args(words))
    try:
        said = answer(path=options["path"], as_json=options["json"], patch=options["patch"])
    except NotADirectoryError as error:
        parser.error(f"there is no folder {error}")
    sys.stdout.write(said if said.endswith("\n") or not said else f"{said}\n")
    return 0


_HELP = "Say what a project that runs plain Celery has to change for Holdfast, what it gains, and how to roll it out."
