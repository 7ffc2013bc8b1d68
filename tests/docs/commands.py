"""Makes docs/reference/commands.md from the verbs of `manage.py holdfast`.

python -m tests.docs.commands --write
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import django

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "commands.md"
_HEAD = """# Commands

`manage.py holdfast VERB`, each also with `--help`. With `--json` a verb prints for programs what it prints for people.
The exit status is 0 where it was done, 1 where it could not be, 2 where it was called wrongly; the
[doctor](../guides/doctor.md) and other checks say what else they mean by 1. The [guides](../guides/README.md) show
how they are used.

This page is made from the code: `python -m tests.docs.commands --write`.
"""


def page() -> str:
    """Return the page as the code has it."""
    command: Any = import_module("holdfast.management.commands.holdfast").Command()
    parser = command.create_parser("manage.py", "holdfast")
    return "\n".join([_HEAD, *_verbs(parser)]).rstrip() + "\n"


def _verbs(parser: argparse.ArgumentParser) -> Iterator[str]:
    for name, verb, text in _below(parser):
        yield f"## {name}\n"
        yield f"{_sentence(text)}\n"
        yield from _told(verb, f"holdfast {name}")


def _told(parser: argparse.ArgumentParser, path: str) -> Iterator[str]:
    inner = list(_below(parser))
    if rows := list(_rows(parser)):
        yield f"```text\n{path}{_words(parser)}\n```\n"
        yield "| argument | meaning |"
        yield "| --- | --- |"
        yield from rows
        yield ""
    elif not inner:
        yield f"```text\n{path}\n```\n"
    for name, verb, text in inner:
        yield f"### {path.removeprefix('holdfast ')} {name}\n"
        yield f"{_sentence(text)}\n"
        yield from _told(verb, f"{path} {name}")


def _below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {each.dest: each.help or "" for each in action._choices_actions}
            for name, verb in action.choices.items():
                yield name, verb, texts.get(name, "")


def _own(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        inner = isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        if not inner and action.help is not argparse.SUPPRESS:
            yield action


def _words(parser: argparse.ArgumentParser) -> str:
    named = [action for action in _own(parser) if not action.option_strings]
    options = " [OPTIONS]" if any(action.option_strings for action in _own(parser)) else ""
    return options + "".join(f" {_place(action)}" for action in named)


def _place(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest).upper()
    if action.choices and not action.metavar:
        name = "{" + ",".join(map(str, action.choices)) + "}"
    many = {"*": f"[{name} ...]", "+": f"{name} ...", "?": f"[{name}]"}
    return many.get(str(action.nargs), name)


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _own(parser):
        said = ", ".join(action.option_strings) or _place(action)
        if action.option_strings and action.nargs != 0:
            said += f" {_place(action)}"
        yield f"| `{said.replace('|', ' or ')}` | {_sentence(_filled(parser, action))} |"


def _filled(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _sentence(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return line[:1].upper() + line[1:]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django_settings")
    django.setup()
    wanted = page()
    if "--write" in sys.argv:
        PAGE.write_text(wanted)
    elif wanted != PAGE.read_text():
        sys.exit(f"{PAGE} is stale: run python -m tests.docs.commands --write")
