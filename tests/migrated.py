"""Migrated databases for sites: the first of a kind is migrated by a process of its project, the others are copies."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

_files: dict[object, bytes] = {}
_databases: dict[object, str] = {}
_numbers = count(1)


def migrate(url: str, *, like: object, by: Callable[[], object]) -> None:
    """Migrate an empty database that nobody is connected to.

    Args:
        url: where it is.
        like: what makes two databases the same once they are migrated, such as their settings.
        by: migrates it; called for the first one only.
    """
    at = urlsplit(url)
    if at.scheme == "sqlite":
        _migrate_file(Path(at.path), like, by)
    else:
        server = at._replace(path="/postgres").geturl()
        _migrate_database(server, at.path.lstrip("/"), (server, like), by)


def _migrate_file(path: Path, like: object, by: Callable[[], object]) -> None:
    if like in _files:
        path.write_bytes(_files[like])
        return
    by()
    # Its last user has closed it, so that no part of it is in a log beside it.
    _files[like] = path.read_bytes()


def _migrate_database(server: str, name: str, like: object, by: Callable[[], object]) -> None:
    if like in _databases:
        _copy(server, _databases[like], name)
        return
    by()
    copy = f"migrated_{next(_numbers)}"
    _copy(server, name, copy)
    _databases[like] = copy


def _copy(server: str, source: str, target: str) -> None:
    names = {"source": sql.Identifier(source), "target": sql.Identifier(target)}
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {target}").format(**names))
        connection.execute(sql.SQL("CREATE DATABASE {target} TEMPLATE {source}").format(**names))
