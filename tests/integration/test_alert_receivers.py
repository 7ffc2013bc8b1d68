"""Receivers of alerts that answer with something else, never to the end, or not at all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from django.test import override_settings

from holdfast.alerts import channels
from holdfast.alerts.errors import NotSent
from tests.integration.test_alert_channels import BODY, channel


@contextmanager
def bare(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a port for one who connects, and do as the test says."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), server.accept()[0] as client:
                answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


def garbage(client: socket.socket) -> None:
    client.recv(1000)
    client.sendall(b"SSH-2.0-no web server\r\n")


def nothing(client: socket.socket) -> None:
    client.recv(1000)


def drip(client: socket.socket, begin: bytes = b"HTTP/1.1 ") -> None:
    client.sendall(begin)
    while client.send(b"a"):
        time.sleep(0.02)


@pytest.mark.parametrize("answer", [garbage, nothing, drip])
def test_answer_that_is_none_or_never_ends_is_an_error_in_time(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 0.5)
    with bare(answer) as port, pytest.raises(NotSent, match=r"no answer: \w+"):
        channels.send(channel("webhook", url=f"http://127.0.0.1:{port}/secret"), BODY, "key")


def test_headers_that_never_end_follow_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 0.5)
    with bare(partial(drip, begin=b"HTTP/1.1 202 Taken\r\nX-Slow: ")) as port:
        hook = channel("webhook", url=f"http://127.0.0.1:{port}/")
        assert channels.send(hook, BODY, "key") == "HTTP 202"


def test_mail_server_that_is_silent_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "TIMEOUT_SECONDS", 0.5)
    done = threading.Event()

    def keep_silent(_client: socket.socket) -> None:
        done.wait(20)

    with bare(keep_silent) as port:
        smtp = "django.core.mail.backends.smtp.EmailBackend"
        with (
            override_settings(EMAIL_BACKEND=smtp, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port),
            pytest.raises(NotSent, match=r"mail server did not take it: .*timed out"),
        ):
            channels.send(channel("email", to="ops@shop.example"), BODY, "key")
        done.set()
