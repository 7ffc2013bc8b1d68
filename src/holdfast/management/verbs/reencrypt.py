"""Give what is encrypted at rest the newest key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast import vault
from holdfast.ledger import reencryption
from holdfast.management.terminal import Terminal


def add_arguments(parser: CommandParser) -> None:
    """Take what is to be done."""
    parser.add_argument("--batch", type=int, default=500, help="rows in one transaction (500)")
    parser.add_argument(
        "--dry-run", action="store_true", help="change nothing, print the rows of each key"
    )
    parser.add_argument("--new-key", action="store_true", help="print a new key, and do nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Renew, or say what there is; it may be stopped and asked again at any time.

    Raises:
        CommandError: there is no key, or rows are left that no key here opens.
    """
    if options["new_key"]:
        terminal.say(vault.new_key())
        return
    if not vault.newest():
        raise CommandError(
            "HOLDFAST['encryption_keys'] is empty: there is no key to encrypt with. --new-key prints one."
        )
    if options["dry_run"]:
        _list(options, terminal)
        return
    done = reencryption.renew(batch=max(1, options["batch"]))
    if options["json"]:
        terminal.json({"renewed": done.rows, "unreadable": dict(done.unreadable)})
    else:
        terminal.say(f"{done.rows} rows have the key {vault.newest()} now")
    if done.unreadable:
        lost = ", ".join(f"{key} ({count} rows)" for key, count in sorted(done.unreadable.items()))
        raise CommandError(
            f"No key here opens what was encrypted with {lost}: put the key back into HOLDFAST['encryption_keys'], "
            "last, and ask again. Nothing of it was changed."
        )


def _list(options: dict[str, Any], terminal: Terminal) -> None:
    counts = reencryption.count_by_key()
    if options["json"]:
        terminal.json({"newest": vault.newest(), "rows": counts})
        return
    rows = [(key, count, key == vault.newest()) for key, count in sorted(counts.items())]
    terminal.table(("key", "rows", "newest"), rows)
