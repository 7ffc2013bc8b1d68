"""Files as they lie in a folder, beside what would be rendered now."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

_EXECUTABLE = "#!"


def differences(files: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Yield the lines by which the files of a folder differ from these, as a unified diff; nothing if they do not."""
    for path, text in files.items():
        there = folder / path
        old = there.read_text() if there.is_file() else ""
        if old == text and there.is_file():
            continue
        yield from difflib.unified_diff(
            old.splitlines(),
            text.splitlines(),
            path if there.is_file() else "/dev/null",
            f"{path} (rendered)",
            lineterm="",
        )


def write(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write the files that are not there or differ, each in one piece; return their paths.

    Whoever is killed in the middle leaves whole files, old or new ones.
    """
    changed = []
    for path, text in files.items():
        there = folder / path
        if there.is_file() and there.read_text() == text:
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        young = there.with_name(f".{there.name}.new")
        young.write_text(text)
        if text.startswith(_EXECUTABLE):
            young.chmod(0o755)
        young.replace(there)
        changed.append(path)
    return changed
