"""Tasks with a serializer and a compression of their own; a worker takes them by `--include=tests.project.formats`."""

from __future__ import annotations

from typing import Any

from celery import shared_task

FORMATS = {
    "json": ("json", None),
    "json zlib": ("json", "zlib"),
    "json bzip2": ("json", "bzip2"),
    "json zstd": ("json", "zstd"),
    "msgpack": ("msgpack", None),
    "msgpack zstd": ("msgpack", "zstd"),
    "yaml": ("yaml", None),
    "yaml gzip": ("yaml", "gzip"),
}


def name_of(form: str) -> str:
    """Return the name of the task of a format."""
    return f"tests.formats.{form.replace(' ', '_')}"


def _echo(self: Any, value: Any, *, fails: int = 0) -> Any:
    """Return what was given, after some retries."""
    if self.request.retries < fails:
        raise self.retry(countdown=0)
    return value


TASKS = {
    form: shared_task(
        bind=True, name=name_of(form), serializer=serializer, compression=compression
    )(_echo)
    for form, (serializer, compression) in FORMATS.items()
}
