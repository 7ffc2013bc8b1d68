"""A wait that the other side asks for is found on exceptions of any library; one that makes no sense is none."""

from __future__ import annotations

import email.message
import io
import urllib.error
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.policies.retry_after import asked_by

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATE = "Sun, 01 Mar 2026 12:00:00 GMT"


class AnyCase(dict[str, str]):
    """Headers as the HTTP libraries keep them."""

    def get(self, name: str, default: Any = None) -> Any:
        return {key.lower(): value for key, value in self.items()}.get(name.lower(), default)


class TouchyError(Exception):
    """Raises where it has nothing, as httpx does."""

    @property
    def response(self) -> Any:
        raise RuntimeError("no response")

    @property
    def retry_after(self) -> Any:
        raise RuntimeError("no answer")


def raised(**attributes: Any) -> Exception:
    error = Exception("refused")
    vars(error).update(attributes)
    return error


def by_urllib(said: str) -> Exception:
    headers = email.message.Message()
    headers["retry-after"] = said
    return urllib.error.HTTPError("http://shop", 429, "slow down", headers, io.BytesIO())


def by_requests(said: str) -> Exception:
    return raised(response=SimpleNamespace(headers=AnyCase({"retry-AFTER": said})))


def by_aiohttp(said: str) -> Exception:
    return raised(headers=AnyCase({"Retry-After": said}))


@pytest.mark.parametrize("library", [by_urllib, by_requests, by_aiohttp])
@pytest.mark.parametrize(
    ("said", "wait"),
    [("120", 120.0), (" 7 ", 7.0), ("0", 0.0), (DATE, NOON), (DATE[:-3] + "-0000", NOON)],
)
def test_header_is_found_wherever_a_library_keeps_it(library: Any, said: str, wait: Any) -> None:
    assert asked_by(library(said)) == wait


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (5, 5.0),
        (2.5, 2.5),
        (timedelta(minutes=1), 60.0),
        (NOON, NOON),
        ("30", 30.0),
        (b"30", 30.0),
        (-3, 0.0),
    ],
)
def test_attribute_of_an_exception_is_read(said: Any, wait: Any) -> None:
    assert asked_by(raised(retry_after=said)) == wait


def test_attribute_comes_before_the_header_and_a_bad_one_makes_room_for_it() -> None:
    response = SimpleNamespace(headers={"retry-after": "9"})
    assert asked_by(raised(retry_after=4, response=response)) == 4.0
    assert asked_by(raised(retry_after="soon", response=response)) == 9.0


@pytest.mark.parametrize(
    "error",
    [
        Exception("plain"),
        TouchyError(),
        raised(retry_after=True),
        raised(retry_after=float("nan")),
        raised(retry_after=float("inf")),
        raised(retry_after=10**400),
        raised(retry_after=NOON.replace(tzinfo=None)),
        raised(response=None),
        raised(headers=None),
        raised(headers=["Retry-After"]),
        *(by_requests(said) for said in ("", "soon", "-5", "1e3", "9" * 40, "Sun, 41 Mar", "²")),
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_no_wait(error: Exception) -> None:
    assert asked_by(error) is None
