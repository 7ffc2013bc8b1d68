"""The catalogues have every text of the code, translated, with the places that values go into."""

from __future__ import annotations

import ast
import re
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from tests.texts import catalogue
from tests.texts.extracting import ALIASES, marked, modules, templates

# Where a value goes in, and a sign of per cent.
PLACE = re.compile(r"%\(\w+\)[-+ #0-9.]*[a-z]|%[sd%]")
LANGUAGES = catalogue.languages()


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def _ids(messages: object) -> set[tuple[str | None, tuple[str, ...]]]:
    return {(one.context, _forms(one.id)) for one in messages if one.id}  # type: ignore[attr-defined]


def test_german_is_there() -> None:
    assert "de" in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_code_is_in_the_catalogue(language: str) -> None:
    there, asked = _ids(catalogue.read(language)), _ids(marked())

    assert not asked - there, f"missing: {catalogue.HOW}"
    assert not there - asked, f"no code has these any more: {catalogue.HOW}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_left_untranslated_or_fuzzy(language: str) -> None:
    assert catalogue.untranslated(catalogue.read(language)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_places_and_the_spaces_around(language: str) -> None:
    wrong = [
        (original, said)
        for message in catalogue.read(language)
        if message.id
        for original, said in _pairs(message)
        if set(PLACE.findall(original)) != set(PLACE.findall(said))
        or re.findall(r"^\s|\s$", original) != re.findall(r"^\s|\s$", said)
    ]
    assert wrong == []


def _pairs(message: Message) -> list[tuple[str, str]]:
    """Return each form of a translation beside the text it stands for; all but the first are of the plural."""
    ids = _forms(message.id)
    return [(ids[min(at, len(ids) - 1)], said) for at, said in enumerate(_forms(message.string))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_django_reads_is_what_people_edit(language: str) -> None:
    with catalogue.source_of(language).with_suffix(".mo").open("rb") as file:
        read = GNUTranslations(file)
    for message in catalogue.read(language):
        if message.id:
            assert _said(read, message) == _forms(message.string), catalogue.HOW


def _said(read: GNUTranslations, message: Message) -> tuple[str, ...]:
    """Return what is read for one thing, and for several where the text differs."""
    one, *several = _forms(message.id)
    if not several:
        return (read.pgettext(message.context, one) if message.context else read.gettext(one),)
    return tuple(read.ngettext(one, several[0], number) for number in (1, 2))


def test_no_module_calls_a_function_of_translation_by_a_name_that_is_not_looked_for() -> None:
    wrong = [
        (path.name, name.asname)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
        for name in node.names
        if name.asname not in {None, *ALIASES}
    ]
    assert wrong == []


def test_no_text_is_made_of_variables_where_it_is_marked() -> None:
    """A marked text that is no literal is in no catalogue."""
    wrong = [
        (path.name, node.lineno, ast.unparse(node))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ALIASES
        and not isinstance(node.args[0], ast.Constant)
        and ast.unparse(node) not in KNOWN
    ]
    assert wrong == []


# Texts that are marked where they are listed.
KNOWN = {"_(event)"}


def _words_outside_of_marks(path: Path) -> list[str]:
    text = re.sub(
        r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}", " ", path.read_text(), flags=re.DOTALL
    )
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", text, flags=re.DOTALL)
    text = re.sub(r"<(code|kbd)\b[^>]*>.*?</\1>", " ", text, flags=re.DOTALL)
    shown = re.findall(r'(?:aria-label|title|placeholder|alt|data-confirm)="([^"]*)"', text)
    shown += re.sub(r"<[^>]*>|&\w+;", "\n", text).splitlines()
    return [each.strip() for each in shown if re.search(r"[^\W\d_]{2}", each)]


# Names, and what is typed as it stands in every language.
DASH = "\N{EN DASH}"
SAME_EVERYWHERE = re.compile(
    rf"^({DASH}?\s*Holdfast|p\d\d|2026-01-31 1[23]:00|task:shop\.tasks\.charge|celery -A yourproject worker -Q)$"
)


@pytest.mark.parametrize("path", templates(), ids=lambda path: path.name)
def test_no_template_has_words_that_are_not_marked(path: Path) -> None:
    assert [w for w in _words_outside_of_marks(path) if not SAME_EVERYWHERE.match(w)] == []
