"""Brings the catalogues in src/holdfast/locale up to date with the texts of the code, and compiles them.

python -m tests.texts.catalogue [--language fr] --write
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from tests.texts.extracting import PACKAGE, marked

LOCALE = PACKAGE / "locale"
HOW = "run `make messages`, and translate what it names in src/holdfast/locale/*/LC_MESSAGES/django.po"


def languages() -> list[str]:
    """Return the languages there are catalogues of."""
    return sorted(path.parents[1].name for path in LOCALE.glob("*/LC_MESSAGES/django.po"))


def source_of(language: str) -> Path:
    """Return the catalogue that people edit."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """Return a catalogue as it stands; an empty one for a new language."""
    path = source_of(language)
    if not path.exists():
        return Catalog(
            locale=language,
            header_comment=f"# The texts of Holdfast in {Locale.parse(language).english_name}.",
            project="Holdfast",
            version="0",
            msgid_bugs_address="the project's issues",
            last_translator="The Holdfast authors",
            language_team="The Holdfast authors",
            charset="utf-8",
            revision_date=datetime.now(UTC),
            fuzzy=False,
        )
    with path.open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def renewed(language: str) -> Catalog:
    """Return a catalogue with exactly the texts that the code has; what is new has no translation yet."""
    catalogue = read(language)
    catalogue.update(marked(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def as_po(catalogue: Catalog) -> bytes:
    """Return what people edit: by the alphabet and without lines of code, so that few edits meet in one place."""
    file = BytesIO()
    write_po(file, catalogue, width=0, sort_output=True, include_lineno=False)
    return file.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """Return what Django reads."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts without a translation, or with one of an older text."""
    return [
        str(message.id)
        for message in catalogue
        if message.id and (message.fuzzy or not all(_forms(message.string)))
    ]


def _forms(said: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (said or "",) if isinstance(said, str | None) else tuple(said)


def _write(language: str) -> None:
    catalogue = renewed(language)
    path = source_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_po(catalogue))
    path.with_suffix(".mo").write_bytes(compiled(catalogue))
    for text in untranslated(catalogue):
        sys.stdout.write(f"{path.relative_to(PACKAGE)}: not translated: {text}\n")


if __name__ == "__main__":
    new = [sys.argv[sys.argv.index("--language") + 1]] if "--language" in sys.argv else []
    if "--write" in sys.argv:
        import django

        django.setup()
        for each in sorted({*languages(), *new}):
            _write(each)
