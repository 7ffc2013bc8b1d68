"""Look at failed and dead jobs, put them back to work or give them up."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast import dead_letters
from holdfast.dead_letters import DeadLetter, Selection
from holdfast.ledger.reads.letters import Group
from holdfast.ledger.states import REASONS_OF_DEAD_LETTERS
from holdfast.management import jobs
from holdfast.management.actors import add_actor
from holdfast.management.moments import moment
from holdfast.management.terminal import Terminal
from holdfast.management.words import choice, nearest

LIST, GROUPS, SHOW, REPLAY, DISCARD = "list", "groups", "show", "replay", "discard"


def add_arguments(parser: CommandParser) -> None:
    """Take what is to be done with which dead letters."""
    helps = {
        LIST: "Print the dead letters, those that ended first at the top.",
        GROUPS: "Print how many there are of each cause.",
        SHOW: "Print all there is to know about one.",
        REPLAY: "Put them back to work, each as a new attempt of the same job.",
        DISCARD: "Give them up: cancelled, and deleted after the retention of finished jobs.",
    }
    words = choice(parser, helps, dest="what")
    for what in (LIST, GROUPS, REPLAY, DISCARD):
        _add_filters(words[what])
    words[LIST].add_argument("--limit", type=int, default=50, help="print so many (50)")
    words[SHOW].add_argument("ids", nargs=1, metavar="ID")
    for what in (REPLAY, DISCARD):
        words[what].add_argument(
            "--limit", type=int, help="at most so many, those that ended first"
        )
        words[what].add_argument(
            "--dry-run", action="store_true", help="change nothing, print how many it would be"
        )
        words[what].add_argument("--yes", action="store_true", help="do not ask")
        add_actor(words[what])
    words[REPLAY].add_argument(
        "--args",
        dest="new_args",
        type=_json_list,
        metavar="JSON",
        help="of one job: call it with this list instead",
    )
    words[REPLAY].add_argument(
        "--kwargs",
        dest="new_kwargs",
        type=_json_object,
        metavar="JSON",
        help="of one job: call it with this object by name instead",
    )
    for parsed in words.values():
        parsed.add_argument("--json", action="store_true", help="print JSON")


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Do what was asked for with the dead letters that were selected."""
    what = options["what"]
    if what == SHOW:
        jobs.show(options["ids"][0], terminal, as_json=options["json"])
        return
    chosen = _selection(options)
    if what == LIST:
        _list(chosen, options, terminal)
    elif what == GROUPS:
        _groups(chosen, options, terminal)
    else:
        _move(what, chosen, options, terminal)


def _json_list(text: str) -> Any:
    return _json(text, kind=list, example='["a", 1]')


def _json_object(text: str) -> Any:
    return _json(text, kind=dict, example='{"name": "a"}')


def _json(text: str, *, kind: type, example: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no JSON ({error}): write {example}") from None
    if not isinstance(value, kind):
        raise ArgumentTypeError(f"{text!r} is another kind of value: write {example}")
    return value


def _add_filters(parser: CommandParser) -> None:
    parser.add_argument("--task", help="the whole name of a task")
    parser.add_argument("--queue")
    parser.add_argument("--reason", metavar="REASON", help=", ".join(REASONS_OF_DEAD_LETTERS))
    parser.add_argument("--error", metavar="TEXT", help="text in the error")
    parser.add_argument("--fingerprint", metavar="HEX", help="the cause, as `groups` prints it")
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="ended since then: 2026-01-31T12:00, 90m, 6h, 2d",
    )
    parser.add_argument("--until", type=moment, metavar="TIME", help="ended before then")
    parser.add_argument("--batch", metavar="ID", help="members of it and of those inside it")
    parser.add_argument("--id", action="append", dest="ids", metavar="ID", help="may be repeated")


def _selection(options: dict[str, Any]) -> Selection:
    names = ("task", "queue", "reason", "error", "fingerprint", "since", "until", "ids", "batch")
    return dead_letters.filter(**{name: options[name] for name in names})


def _list(chosen: Selection, options: dict[str, Any], terminal: Terminal) -> None:
    found = list(islice(chosen, options["limit"]))
    if not _goes_into_a_table(found, options, terminal):
        return
    heads = ("id", "task", "reason", "ended", "attempts", "error", "arguments")
    terminal.table(
        heads,
        [
            (
                letter.id,
                letter.task,
                letter.reason,
                letter.finished_at,
                letter.attempts,
                jobs.shortened(letter.error),
                jobs.shortened(jobs.in_words(letter.args, letter.kwargs, letter.hidden)),
            )
            for letter in found
        ],
    )
    if len(found) == options["limit"] and (more := chosen.count() - len(found)) > 0:
        terminal.remark(f"{more} more; --limit prints more of them")


def _groups(chosen: Selection, options: dict[str, Any], terminal: Terminal) -> None:
    found = chosen.groups()
    if not _goes_into_a_table(found, options, terminal):
        return
    heads = ("fingerprint", "count", "task", "reason", "first", "last", "error")
    terminal.table(
        heads,
        [
            (g.fingerprint, g.count, g.task, g.reason, g.first, g.last, jobs.shortened(g.error))
            for g in found
        ],
    )


def _move(what: str, chosen: Selection, options: dict[str, Any], terminal: Terminal) -> None:
    count, limit = chosen.count(), options["limit"]
    count = count if limit is None else min(count, limit)
    if options["dry_run"]:
        if options["json"]:
            terminal.json({"action": what, "count": count, "dry_run": True})
        else:
            terminal.say(f"{count} dead letters would be {_PAST[what]}")
        return
    if not count:
        if options["json"]:
            terminal.json({"action": what, "count": 0})
        else:
            _say_none(options, terminal)
        return
    if count > 1 and not options["yes"]:
        terminal.confirm(f"{what.capitalize()} {count} dead letters?")
    asked: dict[str, Any] = {"actor": options["actor"], "limit": limit}
    if what == REPLAY:
        done = chosen.replay(**asked, args=options["new_args"], kwargs=options["new_kwargs"])
    else:
        done = chosen.discard(**asked)
    if options["json"]:
        terminal.json({"action": what, "count": done})
    else:
        terminal.say(f"{done} dead letters {_PAST[what]}")
    if done < count:
        terminal.remark(
            f"{count - done} were left alone: somebody else moved them, or those who wait for them are still to be "
            "told. Ask again in a minute."
        )


_PAST = {REPLAY: "replayed", DISCARD: "discarded"}


def _goes_into_a_table(
    found: Sequence[DeadLetter] | Sequence[Group], options: dict[str, Any], terminal: Terminal
) -> bool:
    """Print what is no table, JSON or that nothing was found; tell whether a table is left to print."""
    if options["json"]:
        terminal.json([asdict(row) for row in found])
        return False
    if not found:
        _say_none(options, terminal)
    return bool(found)


def _say_none(options: dict[str, Any], terminal: Terminal) -> None:
    """Say that nothing was selected, and what a name may have been meant to be."""
    terminal.say("No dead letters are selected.")
    if options["task"] is None:
        return
    known = {group.task for group in dead_letters.filter().groups()}
    if options["task"] not in known and (near := nearest(options["task"], known)):
        raise CommandError(f"No dead letter is of task {options['task']!r}: did you mean {near!r}?")
