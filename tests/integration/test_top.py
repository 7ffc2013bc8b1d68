"""`manage.py holdfast top`: what is now, as a picture and as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from holdfast.ledger import transitions, workers
from holdfast.ledger.workers import Consuming
from holdfast.management.picture import chart
from tests.integration.test_workers_command import hire
from tests.rows import new_job


def top(*words: str) -> str:
    out = StringIO()
    call_command("holdfast", "top", *words, stdout=out, stderr=StringIO(), no_color=True)
    return out.getvalue()


@pytest.fixture
def busy(ledger: str) -> str:
    hire("one@host", ["default"])
    workers.renew(hire("stalled@host", ["default"]), consuming=Consuming(70.0, 30.0))
    transitions.record([new_job() for _ in range(3)])
    return ledger


def test_picture_has_queues_workers_and_what_needs_attention(
    busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    shown = top("--once")
    assert "one@host" in shown
    assert "Needs attention" in shown
    assert "none: these jobs wait for one" in shown
    assert "\x1b[" not in shown


def test_one_look_is_text_without_rich_and_more_are_refused(
    busy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    lines = top("--once").splitlines()
    assert lines[0].startswith("Holdfast 20")
    assert "3 queued" in lines[1]
    assert any(line.startswith("queue ") and "3 waiting" in line for line in lines)
    (one,) = [line for line in lines if line.startswith("worker one@host")]
    assert "serving" in one
    assert any("stalled@host" in line for line in lines[2:4])
    with pytest.raises(CommandError, match="--once and --json"):
        top("--looks", "2")


def test_each_look_is_a_line_of_json(busy: str) -> None:
    looks = [
        json.loads(line) for line in top("--json", "--every", "0.01", "--looks", "2").splitlines()
    ]
    assert [look["figures"]["queued"] for look in looks] == [3, 3]
    assert [worker["state"] for worker in looks[0]["workers"]] == ["serving", "stalled"]
    stalled = next(each for each in looks[0]["troubles"] if each["kind"] == "stalled")
    assert "stalled@host" in stalled["sentence"]


def test_database_that_is_away_is_told_and_asked_again(busy: str) -> None:
    from holdfast.console.snapshots import Camera

    take, times = Camera.take, [0]

    def sometimes(camera: Camera) -> object:
        times[0] += 1
        if times[0] == 2:
            raise OperationalError("the server closed the connection")
        return take(camera)

    with mock.patch.object(Camera, "take", sometimes):
        looks = [
            json.loads(line)
            for line in top("--json", "--every", "0.01", "--looks", "3").splitlines()
        ]
    assert [bool(look["error"]) for look in looks] == [False, True, False]
    assert "closed the connection" in looks[1]["error"]
    assert looks[1]["figures"]["queued"] == 3
    with (
        mock.patch.object(Camera, "take", side_effect=OperationalError("away")),
        pytest.raises(CommandError, match="away"),
    ):
        top("--once", "--json")


@pytest.mark.parametrize("every", ["0", "-1", "soon"])
def test_pause_that_is_none_is_refused(busy: str, every: str) -> None:
    with pytest.raises(CommandError, match="no number of seconds greater than 0"):
        top("--every", every)


def test_without_rich_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['rich'] = None; sys.modules['rich.console'] = None\n"
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('holdfast', 'top')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "tests.django_settings", "PATH": ""},
    )
    assert done.returncode != 0
    assert "pip install 'holdfast[progress]'" in done.stderr


def test_chart_is_as_high_as_its_highest() -> None:
    assert chart([]) == ""
    assert chart([0, 0]) == "▁▁"
    assert chart([0, 5, 10]) == "▁▅█"
