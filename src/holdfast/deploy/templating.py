"""How the files are written: Django templates without HTML's escaping, and one filter for each language of theirs.

A project that needs another file puts its own template at `holdfast/deploy/...` in a folder of its TEMPLATES.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

from django.conf import settings as django_settings
from django.template import Context, Engine, Library, Origin
from django.template.loaders.filesystem import Loader

from holdfast.exceptions import HoldfastError

FOLDER = Path(__file__).resolve().parents[1] / "templates"
_PREFIX = "holdfast/deploy/"
# A line of nothing but tags is an instruction, and leaves no line behind.
_TAGS_ALONE = re.compile(r"^[ \t]*((?:\{%[^\n]*?%\}|\{#[^\n]*?#\})[ \t]*)+\n", re.MULTILINE)
_WIDTH = 110
_MISSING = "<<nothing called %s>>"
register = Library()


class Tidy(Loader):
    """Finds templates as Django does, and takes the lines out that hold only tags."""

    def get_contents(self, origin: Origin) -> str:
        return _TAGS_ALONE.sub(
            lambda line: line.group().strip(" \t\n"), str(super().get_contents(origin))
        )


def written(template: str, context: Mapping[str, Any]) -> str:
    """Return the text of a template below holdfast/deploy/, with one line break at its end.

    Raises:
        HoldfastError: it asks for something that a deployment does not have.
    """
    text = str(_engine().get_template(_PREFIX + template).render(_plain(context)))
    missing = re.search(r"<<nothing called [^>]*>>", text)
    if missing:
        raise HoldfastError(
            f"The template {_PREFIX}{template} uses {missing.group()[17:-2]!r}, which a deployment does not have: "
            "compare it with the one of this release"
        )
    return text.rstrip() + "\n"


def _plain(context: Mapping[str, Any]) -> Context:
    """Return what a template gets: nothing in it is escaped for HTML, no number written as a language would."""
    return Context(dict(context), autoescape=False, use_l10n=False)


def _engine() -> Engine:
    own = [
        str(folder)
        for engine in getattr(django_settings, "TEMPLATES", [])
        for folder in engine.get("DIRS", [])
    ]
    return Engine(
        dirs=[*own, str(FOLDER)],
        loaders=[f"{__name__}.Tidy"],
        builtins=[__name__],
        autoescape=False,
        string_if_invalid=_MISSING,
    )


@register.filter
def yaml(value: Any) -> str:
    """Write a text, number or list as YAML: JSON is YAML, and nothing in it is taken for another type."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


@register.filter
def flow(words: Iterable[str], indent: int) -> str:
    """Write a command as a list in YAML, over as many lines as it needs, options together with their values."""
    lines = _filled([json.dumps(word, ensure_ascii=False) for word in words], ", ", indent)
    if len(lines) == 1:
        return f"[{lines[0]}]"
    margin = "\n" + " " * (indent + 2)
    return f"[{margin}{f',{margin}'.join(lines)}]"


@register.filter
def compose(value: str) -> str:
    """Let Compose, which would replace $NAME, take a text as it is."""
    return value.replace("$", "$$")


@register.filter
def shell(words: Iterable[str]) -> str:
    """Write a command line for a POSIX shell."""
    return shlex.join(words)


@register.filter
def wrapped(words: Iterable[str], indent: int) -> str:
    """Write a command line over as many lines as it needs, each but the last ended by a backslash."""
    return (" \\\n" + " " * indent).join(
        _filled([shlex.quote(word) for word in words], " ", indent)
    )


def _filled(words: Iterable[str], between: str, indent: int) -> list[str]:
    """Return lines of words, in which no option is torn from its value."""
    pairs: list[str] = []
    for word in words:
        if pairs and not word.lstrip('"').startswith("-"):
            pairs[-1] += between + word
        else:
            pairs.append(word)
    lines = [""]
    for pair in pairs:
        if lines[-1] and indent + len(lines[-1]) + len(pair) > _WIDTH:
            lines.append(pair)
        else:
            lines[-1] += (between if lines[-1] else "") + pair
    return lines


@register.filter
def word(text: str) -> str:
    """Write one word for a POSIX shell."""
    return shlex.quote(str(text))


@register.filter
def unit(text: str) -> str:
    """Write a text within double quotes as systemd takes it."""
    return percents(text.replace("\\", "\\\\").replace('"', '\\"'))


@register.filter
def indented(text: str, by: int) -> str:
    """Write lines further to the right, so that they are part of another file."""
    return indent(text, " " * by)


@register.filter
def percents(text: str) -> str:
    """Double percent signs, which mean something to systemd and to Supervisor."""
    return text.replace("%", "%%")


@register.filter
def nix(value: Any) -> str:
    """Write a text, or a list of texts, in Nix."""
    if isinstance(value, list | tuple):
        return "[ " + " ".join(nix(one) for one in value) + " ]"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${") + '"'


@register.filter
def instance(command: str) -> str:
    """Write a worker's command in a template unit: its name is the unit's."""
    return re.sub(r"[a-z0-9-]+@%%h", "%i@%%h", percents(command), count=1)


@register.filter
def under(path: str) -> str:
    """Return a path of URLs without the slash at its begin."""
    return path.lstrip("/")
