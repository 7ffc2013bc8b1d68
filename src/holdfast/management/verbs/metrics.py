"""Print the metrics as Prometheus reads them, or serve them at an address of their own."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import CommandError, CommandParser

from holdfast.conf import get_settings
from holdfast.management.terminal import Terminal
from holdfast.metrics.exposition import exposed
from holdfast.metrics.served import PATH, server

_LOOPBACK = ("127.", "localhost")


def add_arguments(parser: CommandParser) -> None:
    """Take where to serve them."""
    parser.add_argument(
        "--serve",
        metavar="HOST:PORT",
        help=f"answer GET {PATH} there until it is interrupted, with the token of HOLDFAST['metrics_token'] if there "
        "is one",
    )


def run(options: dict[str, Any], terminal: Terminal) -> None:
    """Print them once, or serve them.

    Raises:
        CommandError: the address cannot be listened on, or would show them to the network without a token.
    """
    if not options["serve"]:
        text, _ = exposed()
        terminal.say(text.decode().rstrip("\n"))
        return
    host, port = _place(options["serve"])
    if not host.startswith(_LOOPBACK) and not get_settings().metrics_token:
        raise CommandError(
            f"{options['serve']} is open to the network, and no token is set: set HOLDFAST['metrics_token'], or serve "
            "on 127.0.0.1."
        )
    # Before anybody relies on it: without the package each scrape would fail.
    exposed()
    try:
        made = server(host, port)
    except OSError as error:
        raise CommandError(f"{options['serve']} cannot be listened on: {error}") from error
    with made:
        if threading.current_thread() is threading.main_thread():
            # The first process of a container does not end by a signal that nobody listens to.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        terminal.remark(f"Metrics are at http://{host}:{made.server_address[1]}{PATH}")
        try:
            made.serve_forever()
        except KeyboardInterrupt:
            return


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 65536:
        raise CommandError(f"{text!r} is no HOST:PORT: write one like 127.0.0.1:9808.")
    return host or "127.0.0.1", int(port)
