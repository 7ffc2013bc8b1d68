"""Signs of life for a supervisor: the file as a shell sees it, and what systemd is told."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.upkeep.alive import AliveFile, tell_systemd
from tests.docs.pages import ROOT

GUIDE = (ROOT / "docs" / "guides" / "workers.md").read_text()
LINES = {"worker": "w1@host", "consuming": "yes", "database": "yes"}


def guided(pattern: str, path: Path) -> bool:
    """Run a line of the guide's that a supervisor would run, on a file of the test's; tell whether it is content."""
    (line,) = set(re.findall(pattern, GUIDE))
    line = line.replace("/run/holdfast/w1.alive", str(path))
    return subprocess.run(["sh", "-c", line], check=False).returncode == 0


ALIVE = r"""sh, -c, '(.*)'\]"""
CONSUMES = r"""\[(grep, -qx, .*)\]"""


@pytest.fixture
def file(tmp_path: Path) -> AliveFile:
    return AliveFile(str(tmp_path / "%n.alive"), name="w1@host")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w1.alive"


def test_file_is_young_while_it_is_touched_old_without_and_gone_at_the_end(
    file: AliveFile, path: Path
) -> None:
    assert not guided(ALIVE, path)
    file.touch(LINES)
    assert guided(ALIVE, path)
    assert path.read_text() == "worker: w1@host\nconsuming: yes\ndatabase: yes\n"

    two_minutes_ago = time.time() - 120
    os.utime(path, (two_minutes_ago, two_minutes_ago))
    assert not guided(ALIVE, path)
    file.touch(LINES)
    assert guided(ALIVE, path)

    file.remove()
    assert not guided(ALIVE, path)
    assert list(path.parent.iterdir()) == []


def test_lines_say_whether_it_consumes(file: AliveFile, path: Path) -> None:
    line = CONSUMES
    (command,) = set(re.findall(line, GUIDE))
    grep = [
        part.strip(' "').replace("/run/holdfast/w1.alive", str(path)) for part in command.split(",")
    ]

    def consumes() -> bool:
        return subprocess.run(grep, check=False, stderr=subprocess.DEVNULL).returncode == 0

    assert not consumes()
    file.touch(LINES | {"consuming": "no"})
    assert not consumes()
    file.touch(LINES)
    assert consumes()


def test_file_of_a_former_life_is_taken_away_at_the_start(path: Path) -> None:
    path.write_text("consuming: yes\n")
    AliveFile(str(path), name="w1@host")
    assert not path.exists()


def test_file_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = AliveFile(str(tmp_path / "missing" / "w1.alive"), name="w1@host")
    for _ in range(3):
        file.touch(LINES)
    assert caplog.text.count("cannot be written: correct HOLDFAST['alive_file']") == 1


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = AliveFile("", name="w1@host")
    file.touch(LINES)
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """What systemd listens to: a socket with a path, or with a name of the kernel's."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@holdfast-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield heard


def test_systemd_is_told_where_it_listens(systemd: socket.socket) -> None:
    tell_systemd("READY=1")
    assert systemd.recv(100) == b"READY=1"


def test_systemd_that_does_not_listen_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in ("", "nonsense", str(tmp_path / "nobody")):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        tell_systemd("WATCHDOG=1")
    full = tmp_path / "full"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(full))
        monkeypatch.setenv("NOTIFY_SOCKET", str(full))
        for _ in range(2000):
            tell_systemd("WATCHDOG=1")


def test_file_that_was_removed_does_not_come_back(file: AliveFile, tmp_path: Path) -> None:
    file.touch({"worker": "w1@host"})
    file.remove()
    file.touch({"worker": "w1@host"})
    assert not list(tmp_path.iterdir())
