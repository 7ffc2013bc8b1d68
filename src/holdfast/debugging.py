"""Lets a debugger attach by debugpy, if `HOLDFAST_DEBUGGER` asks for it; in any process that sets Django up.

Whoever reaches the port can run anything as this process: it is off unless asked for, and on this machine only. The
processes of a prefork pool are told to the debugger as children of their worker, also those that were there before it.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from holdfast.exceptions import ConfigurationError

logger = logging.getLogger("holdfast")
VARIABLE = "HOLDFAST_DEBUGGER"
# What debugpy looks at.
_SPARED = ("pydev_do_not_trace", "is_pydev_daemon_thread")
# Files that container runtimes put there.
_CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))


def listen_if_asked(environment: Mapping[str, str] | None = None) -> tuple[str, int] | None:
    """Open the port that `HOLDFAST_DEBUGGER` names, such as `127.0.0.1:5679`, and go on; return it, or None.

    A port that is taken, such as by the worker beside a management command, is left to whoever has it.

    Raises:
        ConfigurationError: the address is none, or others could reach it, or debugpy is not installed.
    """
    asked = (os.environ if environment is None else environment).get(VARIABLE, "").strip()
    if not asked:
        return None
    host, port = address(asked)
    try:
        import debugpy  # noqa: T100  # it is what was asked for
    except ImportError as error:
        raise ConfigurationError(
            f"{VARIABLE} is {asked!r}, and debugpy is not installed: pip install 'holdfast[debug]', or unset it."
        ) from error
    try:
        found: tuple[str, int] = debugpy.listen((host, port))  # noqa: T100
    except RuntimeError as error:
        logger.info("No debugger listens here on %s: %s", asked, error)
        return None
    logger.warning(
        "A debugger can attach to process %d on %s:%d, and run anything", os.getpid(), *found
    )
    return found


def address(asked: str) -> tuple[str, int]:
    """Return host and port of an address, or of a port of this machine.

    Raises:
        ConfigurationError: it is none, or others could reach it.
    """
    host, _, port = asked.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(
            f"{VARIABLE} is {asked!r}: it must be an address like 127.0.0.1:5679, or a port"
        )
    if not _is_of_this_machine(host) and not _in_container():
        raise ConfigurationError(
            f"{VARIABLE} is {asked!r}: whoever reaches it could run anything as this process. Say 127.0.0.1:{port}. "
            "Another address is taken inside a container only, whose port is to be published on 127.0.0.1."
        )
    return host, int(port)


def spare(thread: threading.Thread) -> None:
    """Let a thread go on while a debugger has stopped all others of its process."""
    for mark in _SPARED:
        setattr(thread, mark, True)


def _is_of_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_container() -> bool:
    # In a cluster the port of a pod is everybody's.
    return "KUBERNETES_SERVICE_HOST" not in os.environ and any(
        mark.exists() for mark in _CONTAINER_MARKS
    )
