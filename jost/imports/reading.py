"""Reads a CSV file record by record from any place in it, in little memory, and past whatever is broken."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

REQUIRED = ("email", "name")
COLUMNS = (*REQUIRED, "phone")
MOST_RECORD_BYTES = 64 * 1024
# What a file of long rows, or of none, holds in memory and keeps from its next checkpoint.
MOST_CHUNK_BYTES = 1024 * 1024
SHOWN_CHARACTERS = 500
_BOM = b"\xef\xbb\xbf"
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class HeaderError(ValueError):
    """The file does not begin as one that can be imported; the message says what to change."""


class _TooLongError(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record begins: so many bytes from the start, and the number of its line."""

    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Record:
    """Some cells, or the reason why there are none."""

    line: int
    cells: list[str]
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that belong together, and the place behind them."""

    records: list[Record]
    end: Place


def header(file: IO[bytes]) -> tuple[list[str], Place]:
    """Return the columns in their order, and where the rows begin; raises `HeaderError`."""
    file.seek(0)
    line = file.readline(MOST_RECORD_BYTES)
    try:
        text = line.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        text = "\x00"
    # UTF-16 without a mark decodes, too: every other character is a null.
    if "\x00" in text:
        raise HeaderError("The first line is no CSV in UTF-8: save the file as such.")
    if "\r" in text.rstrip("\r\n") or (text.endswith("\r") and not text.endswith("\n")):
        raise HeaderError("Its lines end in CR alone: save the file with LF or CR LF.")
    if len(line) == MOST_RECORD_BYTES:
        raise HeaderError(f"The first line is longer than {MOST_RECORD_BYTES:,} bytes.")
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as reason:
        raise HeaderError(f"The first line is no CSV: {reason}.") from None
    columns = [cell.strip().lower() for cell in cells]
    _require_known(columns)
    return columns, Place(len(line), 2)


def _require_known(columns: list[str]) -> None:
    wanted = f"The first line names the columns: {', '.join(REQUIRED)} and perhaps phone"
    if len(columns) == 1:
        for mark, name in _OTHER_MARKS.items():
            if mark in columns[0]:
                raise HeaderError(f"{wanted}, with commas in between, not {name}.")
    if missing := [name for name in REQUIRED if name not in columns]:
        verb = "is" if len(missing) == 1 else "are"
        raise HeaderError(f"{wanted}; here {' and '.join(missing)} {verb} missing.")
    if "" in columns:
        raise HeaderError(f"{wanted}; take out the column without a name, here and in each row.")
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise HeaderError(f"{wanted}; take out {', '.join(unknown)[:100]}.")
    if len(set(columns)) < len(columns):
        raise HeaderError(f"{wanted}, each once.")


def chunks(file: IO[bytes], *, begin: Place, size: int) -> Iterator[Chunk]:
    """Read on from a place, so many records at a time, or fewer that are long or have many empty lines between."""
    gathered: list[Record] = []
    start = end = begin
    for record, end in records(file, begin=begin):
        if record is not None:
            gathered.append(record)
        if len(gathered) == size or end.offset - start.offset >= MOST_CHUNK_BYTES:
            yield Chunk(gathered, end)
            gathered, start = [], end
    if end != start:
        yield Chunk(gathered, end)


def records(file: IO[bytes], *, begin: Place) -> Iterator[tuple[Record | None, Place]]:
    """Each record with the place behind it; None for an empty line.

    Behind a record that is broken, reading goes on in its second line: a quote that nobody closed
    costs one line and not the rest of the file.
    """
    place = begin
    lines = _Lines(file, place)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_record()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLongError) as reason:
            broken = Record(place.line, [], _shown(lines.raw[:1]), f"no CSV: {_in_words(reason)}")
            place = _behind_line(file, place)
            lines = _Lines(file, place)
            reader = csv.reader(lines, strict=True)
            yield broken, place
            continue
        first, place = place.line, lines.place
        yield Record(first, cells, _shown(lines.raw)) if cells else None, place


class _Lines:
    """Lines for csv, which takes as many as it needs for a record, and what they were."""

    def __init__(self, file: IO[bytes], place: Place) -> None:
        file.seek(place.offset)
        self._read = file.readline
        self._offset, self._line = place.offset, place.line
        self.raw: list[bytes] = []
        self._left = MOST_RECORD_BYTES

    @property
    def place(self) -> Place:
        return Place(self._offset, self._line)

    def begin_record(self) -> None:
        self.raw = []
        self._left = MOST_RECORD_BYTES

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._read(self._left + 1)
        if not line:
            raise StopIteration
        self.raw.append(line)
        self._left -= len(line)
        if self._left < 0:
            raise _TooLongError(f"more than {MOST_RECORD_BYTES} bytes, or an open quote")
        self._offset += len(line)
        self._line += 1
        # What is no UTF-8 is the row's trouble, not the reader's.
        return line.decode(errors="surrogateescape")


def _in_words(reason: Exception) -> str:
    told = str(reason)
    if told.startswith("new-line character"):
        return "a CR in the middle of the line"
    return "a quote that is never closed" if told == "unexpected end of data" else told


def _behind_line(file: IO[bytes], place: Place) -> Place:
    file.seek(place.offset)
    length = 0
    while part := file.readline(MOST_RECORD_BYTES):
        length += len(part)
        if part.endswith(b"\n"):
            break
    return Place(place.offset + length, place.line + 1)


def _shown(raw: list[bytes]) -> str:
    """The beginning of a record as any database takes it."""
    start = b"".join(raw)[: 4 * SHOWN_CHARACTERS].rstrip(b"\r\n")
    return start.decode(errors="replace").replace("\x00", "\ufffd")[:SHOWN_CHARACTERS]
