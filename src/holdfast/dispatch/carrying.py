"""What a call takes along beside its own headers: the id of the request that it is part of, and where it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast import spans
from holdfast.correlation import CORRELATION, SAID, correlation_id


def begin(task: str, queue: str) -> tuple[spans.Span | None, Mapping[str, str]]:
    """Begin a call; return its span, to be ended by whoever asked, and the headers that it takes along."""
    id = correlation_id()
    if spans.tracer is None:
        return None, {CORRELATION: id} if id else {}
    span = spans.tracer.sending(task, queue)
    return span, {**span.headers, CORRELATION: id} if id else span.headers


def fields() -> frozenset[str]:
    """Return the names of all headers that a call may take along."""
    traced = spans.tracer.fields if spans.tracer is not None else frozenset[str]()
    return traced | {CORRELATION}


def putting_back() -> Mapping[str, str]:
    """Return what a retry or a replacement tells its attempt of the one that runs here."""
    return {} if spans.tracer is None else spans.tracer.putting_back()


def added(headers: Mapping[str, Any] | None, carried: Mapping[str, str]) -> dict[str, Any]:
    """Return headers of a call with what it takes along; a correlation id that it names itself is its own."""
    found = {**(headers or {}), **carried}
    if headers:
        id = headers.get(SAID) or headers.get(CORRELATION)
        if id:
            found[CORRELATION] = str(id)
    return found
