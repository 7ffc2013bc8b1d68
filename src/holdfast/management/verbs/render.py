"""Render deploy files (Compose, Kubernetes, systemd, ...) from the project's own queues, pools and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import CommandError, CommandParser

from holdfast.deploy import TARGETS, described, differences, remarks, rendered, write
from holdfast.management.terminal import Terminal

_ALL = "all"


def add_arguments(parser: CommandParser) -> None:
    """Take the tool, and where its files go."""
    parser.add_argument("target", choices=[*TARGETS, _ALL], help="the tool, or all of them")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--write", action="store_true", help="write the files where the tool looks for them"
    )
    where.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit 1 if the files that are there differ, and show how",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="the folder to write to, or to compare with --check (beside manage.py)",
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print, write or compare, and say which of the files' variables the settings do not read.

    Raises:
        CommandError: a file is missing or differs from what the settings say.
    """
    deployment = described()
    asked = TARGETS if options["target"] == _ALL else [options["target"]]
    files = {path: text for target in asked for path, text in rendered(target, deployment).items()}
    project = Path(getattr(django_settings, "BASE_DIR", Path.cwd()))
    folder = options["output"] or project
    for line in remarks(asked, deployment, project):
        terminal.remark(f"Warning: {line}")
    if options["check"]:
        _compare(files, folder, options["target"], terminal)
    elif options["write"] or options["output"]:
        try:
            written = write(files, folder)
        except OSError as error:
            raise CommandError(
                f"{folder} cannot be written to ({error.strerror}: {error.filename}): name a folder that can be with "
                "--output, or print without --write."
            ) from error
        for path in written:
            terminal.say(f"wrote {folder / path}")
    else:
        _print(files, terminal)


def _compare(files: dict[str, str], folder: Path, target: str, terminal: Terminal) -> None:
    lines = list(differences(files, folder))
    for line in lines:
        terminal.say(line)
    if lines:
        raise CommandError(
            f"Files in {folder} are not what the settings say: run `manage.py holdfast render {target} --write` and "
            "look at the difference before you commit it."
        )
    terminal.say(f"{len(files)} files are up to date.")


def _print(files: dict[str, str], terminal: Terminal) -> None:
    """One file as it is, several below their names."""
    for path, text in files.items():
        if len(files) > 1:
            terminal.say(f"# ---- {path}")
        terminal.say(text.rstrip("\n"))
