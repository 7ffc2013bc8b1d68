"""Where the data is: database, broker, cache and secret key, each by its order of precedence."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from jost.embedded import state
from jost.settings.environment import Environment, missing

_POSTGRES = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD")
# The port has a default of PostgreSQL's own.
_POSTGRES_REQUIRED = tuple(name for name in _POSTGRES if name != "POSTGRES_PORT")

# Kept open for five minutes: a connection per job costs more than the job.
_CONN_MAX_AGE = 300

_SQLITE_OPTIONS: dict[str, Any] = {
    # The write lock is taken at BEGIN: two readers that both want to write cannot block each other.
    "transaction_mode": "IMMEDIATE",
    # Seconds a writer waits for the one in front of it.
    "timeout": 20,
    # WAL: readers and the writer do not wait for each other. FULL: what is committed survives a power cut.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


def database(environment: Environment, *, embedded: Path | None) -> dict[str, Any]:
    """Return Django's description of the database.

    Order: `DATABASE_URL`, then `POSTGRES_*` if any is set, then SQLite in the folder `embedded`.
    """
    if environment.DATABASE_URL:
        return _pooled(_from_url(environment.DATABASE_URL), most=environment.DATABASE_POOL)
    if any(environment.is_given(name) for name in _POSTGRES):
        return _pooled(_from_postgres_variables(environment), most=environment.DATABASE_POOL)
    if embedded is None:
        raise missing(
            "DATABASE_URL",
            repair="for instance DATABASE_URL=postgresql://user:password@host:5432/name; or set "
            "JOST_DATA_DIR to a folder that is kept, and SQLite is used there.",
        )
    return _sqlite(embedded / "jost.sqlite3")


def broker_url(environment: Environment) -> str | None:
    """Return the address of the broker: `CELERY_BROKER_URL`, then `REDIS_URL`, else None."""
    if environment.CELERY_BROKER_URL:
        return verified_tls(environment.CELERY_BROKER_URL)
    if environment.REDIS_URL:
        return verified_tls(environment.REDIS_URL)
    return None


def verified_tls(url: str) -> str:
    """Return the URL with certificates checked, unless it says otherwise itself.

    kombu takes a bare rediss:// for "encrypt, but trust anybody".
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs" in parse_qs(parts.query):
        return url
    return f"{url}{'&' if parts.query else '?'}ssl_cert_reqs=required"


LOCAL = "django.core.cache.backends.locmem.LocMemCache"


def caches(url: str | None) -> dict[str, Any]:
    """Return Django's cache: a Redis of its own, or each process's memory; rates are always counted there."""
    rates = {"BACKEND": LOCAL, "LOCATION": "rates", "OPTIONS": {"MAX_ENTRIES": 10_000}}
    if url is None:
        return {"default": {"BACKEND": LOCAL}, "rates": rates}
    return {
        "rates": rates,
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            # A cache that does not answer must not make a page wait.
            "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
        },
    }


def secret_key(environment: Environment, *, folder: Path | None) -> str:
    """Return the secret key: the one given, else a random one for all processes that share `folder`.

    It is kept there: sessions and the signatures of queued jobs stay valid through a restart.
    """
    if environment.DJANGO_SECRET_KEY:
        return environment.DJANGO_SECRET_KEY.get_secret_value()
    if folder is None:
        raise missing(
            "DJANGO_SECRET_KEY",
            repair="make one with `openssl rand -base64 50 | tr -d '\\n'`; or set JOST_DATA_DIR to a "
            "folder all processes share, and one is made and kept there.",
        )
    return _kept_key(folder / "secret-key")


def _kept_key(path: Path) -> str:
    if not path.exists():
        state.write_once(path, content=secrets.token_urlsafe(50))
    key = path.read_text().strip()
    if len(key) < 20:
        raise ImproperlyConfigured(f"{path} holds no usable key: delete it and start again.")
    return key


def _from_url(url: str) -> dict[str, Any]:
    if urlsplit(url).scheme == "sqlite":
        path = urlsplit(url).path.removeprefix("/")
        if not path:
            raise ImproperlyConfigured(
                "DATABASE_URL names no file: write sqlite:////absolute/path/jost.sqlite3 (four slashes). "
                "A database in memory would be another one in every process."
            )
        return _sqlite(Path(path))
    try:
        parsed = dj_database_url.parse(url, conn_max_age=_CONN_MAX_AGE, conn_health_checks=True)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL is malformed ({error}): write postgresql://user:password@host:5432/name, "
            "with special characters of the password percent-encoded."
        ) from error
    if not parsed.get("NAME"):
        raise ImproperlyConfigured("DATABASE_URL names no database: it ends in /name.")
    return _postgres(dict(parsed))


def _from_postgres_variables(environment: Environment) -> dict[str, Any]:
    absent = [name for name in _POSTGRES_REQUIRED if not environment.is_given(name)]
    if absent:
        raise missing(
            *absent, repair="the other POSTGRES_ variables are; or set DATABASE_URL alone."
        )
    password = environment.POSTGRES_PASSWORD
    return _postgres(
        {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": environment.POSTGRES_HOST,
            "PORT": environment.POSTGRES_PORT or "",
            "USER": environment.POSTGRES_USER,
            "NAME": environment.POSTGRES_DB,
            "PASSWORD": password.get_secret_value() if password else "",
            "CONN_MAX_AGE": _CONN_MAX_AGE,
            "CONN_HEALTH_CHECKS": True,
        }
    )


def _postgres(description: dict[str, Any]) -> dict[str, Any]:
    # A server that is not there is known in 5 s, not when the kernel gives up after minutes.
    options = {"connect_timeout": 5, **description.get("OPTIONS", {})}
    return {**description, "OPTIONS": options}


def _pooled(description: dict[str, Any], *, most: int | None) -> dict[str, Any]:
    """Let the threads of a process share at most so many connections, if any; SQLite needs none of it."""
    if not most or description["ENGINE"] != "django.db.backends.postgresql":
        return description
    options = {**description["OPTIONS"], "pool": {"min_size": 1, "max_size": most}}
    # A thread gives its connection back at the end of each request.
    return {**description, "OPTIONS": options, "CONN_MAX_AGE": 0}


def _sqlite(path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": dict(_SQLITE_OPTIONS),
        "CONN_MAX_AGE": _CONN_MAX_AGE,
    }
