"""What processes of one machine know of each other, in files below the data folder; read by all of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REDIS, GATEWAYS = "redis", "gateways"
_RUNNING = "running.json"
_LOCK = "lock"
_PROCESSES = "processes"


@dataclass(frozen=True, kw_only=True)
class Running:
    """The run that holds a data folder."""

    pid: int
    page: str
    embedded_redis: bool


def kept_port(folder: Path, name: str) -> int:
    """Return the port of an embedded server: chosen once, then kept, so that addresses stay right."""
    kept = folder / f"{name}.port"
    try:
        return int(kept.read_text())
    except FileNotFoundError:
        # Only the first start needs it: every other one is spared the import.
        from holdfast.testing.services import free_port

        write_once(kept, content=str(free_port()))
        return int(kept.read_text())


def choose_another_port(folder: Path, name: str) -> int:
    """Forget a port that somebody else took meanwhile."""
    (folder / f"{name}.port").unlink(missing_ok=True)
    return kept_port(folder, name)


def redis_port(folder: Path) -> int:
    """Return the port of the embedded Redis."""
    return kept_port(folder, REDIS)


def gateways_url(folder: Path) -> str:
    """Return the address of the embedded gateways."""
    return f"http://127.0.0.1:{kept_port(folder, GATEWAYS)}"


def redis_url(folder: Path) -> str:
    """Return the address of the embedded Redis, without a database number."""
    return f"redis://127.0.0.1:{redis_port(folder)}"


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold the folder for one run; yields False if another run holds it. The system lets go for the dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            (folder / _RUNNING).unlink(missing_ok=True)


def announce(folder: Path, running: Running) -> None:
    """Tell other shells what runs here."""
    draft = folder / f".{_RUNNING}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(running)))
    draft.replace(folder / _RUNNING)


def note_process(folder: Path, *, name: str, pid: int) -> None:
    """Tell which process was started last under a name."""
    path = folder / _PROCESSES / name
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{name}.{os.getpid()}")
    draft.write_text(str(pid))
    draft.replace(path)


def process(folder: Path, *, name: str) -> int | None:
    """Return the process that was started last under a name; it may have ended."""
    try:
        return int((folder / _PROCESSES / name).read_text())
    except (FileNotFoundError, ValueError):
        return None


def running(folder: Path) -> Running | None:
    """Return the run that holds this folder now."""
    try:
        with (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _announced(folder)
    return None


def _announced(folder: Path) -> Running | None:
    try:
        return Running(**json.loads((folder / _RUNNING).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # Still starting.


def write_once(path: Path, *, content: str) -> None:
    """Create a private file with its whole content, or leave the one another process made first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as draft:
        draft.write(content)
        draft.flush()
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)
