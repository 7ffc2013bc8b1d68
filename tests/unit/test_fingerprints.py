"""A fingerprint is the same for one cause, whatever the values, the line, the host and the release."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import celery
import pytest

from holdfast.ledger import fingerprints
from holdfast.ledger.fingerprints import fingerprint, own_frames


def sell(amount: int) -> None:
    raise ValueError(f"cannot sell {amount}")


def count_down(n: int) -> None:
    if n == 0:
        raise RecursionError
    count_down(n - 1)


def text_of(function: Callable[..., Any], *args: Any) -> str:
    with pytest.raises((ValueError, RecursionError)) as caught:
        function(*args)
    return "".join(traceback.format_exception(caught.value))


def test_values_do_not_count() -> None:
    prints = {fingerprint("t", "ValueError", text_of(sell, amount)) for amount in (1, 2)}
    assert len(prints) == 1
    assert len(prints.pop()) == 16


def test_depth_of_a_recursion_does_not_count() -> None:
    assert own_frames(text_of(count_down, 2)) == own_frames(text_of(count_down, 40))


def test_task_kind_and_place_do_count() -> None:
    here = text_of(sell, 1)
    prints = {
        fingerprint("t", "ValueError", here),
        fingerprint("u", "ValueError", here),
        fingerprint("t", "KeyError", here),
        fingerprint("t", "ValueError", text_of(count_down, 1)),
        fingerprint("t", "ValueError"),
    }
    assert len(prints) == 5


def test_frames_of_other_peoples_code_do_not_count() -> None:
    frames = own_frames(text_of(sell, 1))
    assert frames[-1].endswith("test_fingerprints.py:sell")
    foreign = [
        Path(celery.__file__).parent / "app" / "trace.py",
        Path(fingerprints.__file__),
        Path(traceback.__file__),
        Path("/elsewhere/venv/lib/python3.12/site-packages/requests/api.py"),
    ]
    for path in foreign:
        assert not own_frames(f'  File "{path}", line 1, in anything\n'), path
    assert not own_frames('  File "<frozen runpy>", line 1, in anything\n')


def test_folder_of_a_release_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '  File "/srv/releases/{0}/shop/tasks.py", line {0}, in charge\n    {0}\n'
    found = []
    for release in (41, 42):
        monkeypatch.setattr(sys, "path", [f"/srv/releases/{release}", *sys.path])
        found.append(own_frames(text.format(release)))
    assert found == [["shop/tasks.py:charge"]] * 2


def test_frames_of_groups_of_exceptions_are_read() -> None:
    assert own_frames('  |   File "/srv/shop/tasks.py", line 3, in charge\n') == [
        "/srv/shop/tasks.py:charge"
    ]
