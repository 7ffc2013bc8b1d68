"""The gateways' own record of what happened: an SQLite file that none of JOST writes to."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS effects (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    content TEXT NOT NULL,
    request TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS effects_by_key ON effects (kind, key);
CREATE TABLE IF NOT EXISTS calls (
    kind TEXT NOT NULL, answer TEXT NOT NULL, times INTEGER NOT NULL, PRIMARY KEY (kind, answer)
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that happened in the world; `request` is what its caller called the request it served."""

    id: int
    kind: str
    key: str
    at: str
    content: dict[str, Any]
    request: str


class Record:
    """What happened, durable before it is answered; safe to use from many threads.

    It outlives a kill of the gateways at any moment: an effect is in it or has not happened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(SCHEMA)
        columns = [row[1] for row in self._database.execute("PRAGMA table_info(effects)")]
        if "request" not in columns:  # a file that an older server has begun
            self._database.execute("ALTER TABLE effects ADD request TEXT NOT NULL DEFAULT ''")

    def add(
        self, kind: str, *, key: str, content: dict[str, Any], once: bool, request: str = ""
    ) -> tuple[int, bool]:
        """Let it happen; with `once` only if nothing has happened under this key.

        Returns the effect's id, and whether it is a new one.
        """
        with self._lock:
            if once and key:
                known = self._database.execute(
                    "SELECT id FROM effects WHERE kind = ? AND key = ? ORDER BY id", (kind, key)
                ).fetchone()
                if known is not None:
                    return int(known[0]), False
            added = self._database.execute(
                "INSERT INTO effects (kind, key, content, request) VALUES (?, ?, ?, ?)",
                (kind, key, json.dumps(content), request),
            )
            return int(added.lastrowid or 0), True

    def count_call(self, kind: str, *, answer: str) -> None:
        """Remember how a call was answered: accepted, repeated, refused, failed, declined, lost or died."""
        with self._lock:
            self._database.execute(
                "INSERT INTO calls VALUES (?, ?, 1) "
                "ON CONFLICT (kind, answer) DO UPDATE SET times = times + 1",
                (kind, answer),
            )

    def effects(self, kind: str, *, key: str | None = None, after: int = 0) -> list[Effect]:
        """At most a thousand, the oldest first."""
        sql = "SELECT id, kind, key, at, content, request FROM effects WHERE kind = ? AND id > ?"
        values: list[Any] = [kind, after]
        if key is not None:
            sql, values = f"{sql} AND key = ?", [*values, key]
        with self._lock:
            rows = self._database.execute(f"{sql} ORDER BY id LIMIT 1000", values).fetchall()
        return [
            Effect(id=number, kind=kind, key=key, at=at, content=json.loads(text), request=request)
            for number, kind, key, at, text, request in rows
        ]

    def totals(self) -> dict[str, dict[str, int]]:
        """By kind: effects, different keys, keys that happened more than once, and the calls."""
        with self._lock:
            effects = self._database.execute(
                "SELECT kind, SUM(times), COUNT(*), SUM(times > 1) FROM "
                "(SELECT kind, key, COUNT(*) AS times FROM effects GROUP BY kind, key) "
                "GROUP BY kind"
            ).fetchall()
            calls = self._database.execute("SELECT kind, answer, times FROM calls").fetchall()
        totals: dict[str, dict[str, int]] = {}
        for kind, happened, keys, twice in effects:
            totals[kind] = {"effects": happened, "keys": keys, "twice": twice}
        for kind, answer, times in calls:
            totals.setdefault(kind, {"effects": 0, "keys": 0, "twice": 0})[answer] = times
        return totals

    def close(self) -> None:
        with self._lock:
            self._database.close()
