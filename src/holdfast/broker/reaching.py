"""Why a broker cannot be reached, told apart: by its name, its port, what answers there, its certificate.

Asks with bare sockets, since client libraries put most of these under one error. Changes nothing; runs where the
doctor is asked.
"""

from __future__ import annotations

import errno
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdfast.broker.places import Place
from holdfast.broker.tls import context_of

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_FIRST_BYTES = 512
# What OpenSSL says of an answer that is no TLS.
_PLAIN = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING"}
# Its verdicts on a certificate.
_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_IP = 10, 9, 62, 64


class Trouble(StrEnum):
    """What is in the way."""

    NONE = "none"
    NAME = "name"  # the host name is not known
    REFUSED = "refused"  # nobody listens
    UNREACHABLE = "unreachable"  # the network says that there is no way
    SILENT = "silent"  # no answer, to the connection or to the first question
    CLOSED = "closed"  # the connection is accepted and closed
    OTHER_SERVICE = "other service"  # something else listens there
    NEEDS_TLS = "needs tls"
    NO_TLS = "no tls"
    UNKNOWN_CA = "unknown ca"
    WRONG_NAME = "wrong name"
    EXPIRED = "expired"
    HANDSHAKE = "handshake"  # TLS fails for another reason
    FULL = "full"  # no more clients are let in
    LOADING = "loading"
    PROTECTED = "protected"  # Redis lets in only its own host, as it has no password


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far it is to a host, or what is in the way."""

    trouble: Trouble
    said: str = ""
    """The words of the system or of whoever answered."""
    addresses: tuple[str, ...] = ()
    """What the name stands for."""
    seconds: float = 0.0
    """How long the connection took."""


def reach(place: Place, *, seconds: float) -> Reach:
    """Connect, greet, and say what happens; takes at most about twice `seconds`."""
    try:
        addresses = _addresses(place, seconds)
    except OSError as error:
        return Reach(trouble=Trouble.NAME, said=str(error.strerror or error))
    began = time.monotonic()
    try:
        with socket.create_connection((place.host, place.port), timeout=seconds / 2) as connection:
            took = time.monotonic() - began
            connection.settimeout(seconds / 3)
            trouble, said = _greet(place, connection, seconds / 3)
    except OSError as error:
        trouble, said, took = _of_error(error), _words(error), time.monotonic() - began
    return Reach(trouble=trouble, said=said, addresses=addresses, seconds=took)


def masters_known(place: Place, *, seconds: float) -> list[str]:
    """Return the names of the masters that a Sentinel watches; none if it does not say."""
    lines = _answer(place, b"SENTINEL MASTERS\r\n", seconds).decode(errors="replace").splitlines()
    return [
        lines[at + 2] for at, line in enumerate(lines) if line == "name" and at + 2 < len(lines)
    ]


def _addresses(place: Place, seconds: float) -> tuple[str, ...]:
    """Return what a name stands for.

    Raises:
        OSError: the name is not known, or the name server does not answer in time.
    """
    outcome: Future[list[Any]] = Future()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except Exception as error:  # whoever waits raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(found)

    # The system's own patience with a silent name server is beyond any probe's.
    threading.Thread(target=ask, name="holdfast-name", daemon=True).start()
    try:
        found = outcome.result(seconds)
    except UnicodeError as error:
        raise OSError(f"it is no host name: {error}") from error
    except FutureTimeout as error:
        raise OSError(f"no answer of the name server within {seconds:.1f} s") from error
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _of_error(error: OSError) -> Trouble:
    if isinstance(error, ConnectionRefusedError):
        return Trouble.REFUSED
    if isinstance(error, TimeoutError):
        return Trouble.SILENT
    if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL}:
        return Trouble.UNREACHABLE
    return Trouble.CLOSED


def _greet(place: Place, connection: socket.socket, seconds: float) -> tuple[Trouble, str]:
    if place.tls:
        return _by_tls(place, connection)
    if not place.is_redis:
        # AMQP has a handshake of its own, which its client does.
        return Trouble.NONE, ""
    answer = _ask(connection)
    trouble = _judged(answer)
    if trouble in {Trouble.CLOSED, Trouble.OTHER_SERVICE, Trouble.SILENT}:
        other = _identified(place, seconds)
        if other:
            return other
    return trouble, _shown(answer)


def _ask(connection: socket.socket) -> bytes | None:
    """Return the beginning of the answer to PING; empty if the connection was closed, None if nothing came."""
    try:
        connection.sendall(b"PING\r\n")
        return connection.recv(_FIRST_BYTES)
    except TimeoutError:
        return None
    except OSError:
        return b""


def _judged(answer: bytes | None) -> Trouble:
    if answer is None:
        return Trouble.SILENT
    if not answer:
        return Trouble.CLOSED
    first = answer.split(b"\r\n")[0].upper()
    if b"MAX NUMBER OF CLIENTS" in first:
        return Trouble.FULL
    if first.startswith(b"-LOADING"):
        return Trouble.LOADING
    if first.startswith(b"-DENIED"):
        return Trouble.PROTECTED
    # A password, a permission: the client that knows the password is asked next.
    return Trouble.NONE if first[:1] in {b"+", b"-"} else Trouble.OTHER_SERVICE


def _identified(place: Place, seconds: float) -> tuple[Trouble, str] | None:
    """Say who else listens, asked in the languages of those who are mostly found there."""
    if _speaks_tls(place, seconds):
        return Trouble.NEEDS_TLS, "it answers a TLS handshake"
    for question, name, fits in (
        (_SSL_REQUEST, "PostgreSQL", lambda answer: answer in {b"S", b"N"}),
        # A version that nobody speaks: RabbitMQ answers with its own.
        (b"AMQP\x00\x00\x00\x00", "RabbitMQ (AMQP)", lambda answer: answer.startswith(b"AMQP")),
        (b"", "", bool),
        (b"GET / HTTP/1.0\r\n\r\n", "HTTP", lambda answer: answer.startswith(b"HTTP/")),
    ):
        answer = _answer(place, question, seconds)
        if answer and fits(answer):
            return Trouble.OTHER_SERVICE, name or _named(answer)
    return None


def _answer(place: Place, question: bytes, seconds: float) -> bytes:
    try:
        with socket.create_connection((place.host, place.port), timeout=seconds / 3) as connection:
            if question:
                connection.sendall(question)
            return connection.recv(_FIRST_BYTES)
    except OSError:
        return b""


def _named(answer: bytes) -> str:
    for sign, name in (
        (b"SSH-", "SSH"),
        (b"HTTP/", "HTTP"),
        (b"220", "a mail server"),
        (b"AMQP", "AMQP"),
    ):
        if answer.startswith(sign):
            return name
    return f"something that says {_shown(answer)}"


def _speaks_tls(place: Place, seconds: float) -> bool:
    asked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asked.check_hostname, asked.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        with (
            socket.create_connection((place.host, place.port), timeout=seconds / 3) as plain,
            asked.wrap_socket(plain),
        ):
            return True
    except ssl.SSLError as error:
        # A server that wants the client's certificate speaks TLS as well.
        return "ALERT" in str(error.reason or "")
    except (OSError, ValueError):
        return False


def _by_tls(place: Place, connection: socket.socket) -> tuple[Trouble, str]:
    try:
        asked = context_of(place)
    except (OSError, ValueError) as error:
        return Trouble.HANDSHAKE, f"the files of the certificates cannot be read: {error}"
    try:
        with asked.wrap_socket(connection, server_hostname=place.host) as secured:
            answer = _ask(secured) if place.is_redis else b"+"
    except ssl.SSLError as error:
        return _of_handshake(error)
    except OSError as error:
        # It waits for the end of a line that a TLS hello does not have, or takes it for one that is no command.
        return (Trouble.NO_TLS if _answers_plainly(place) else _of_error(error)), _words(error)
    # TLS 1.3 tells a client that its certificate is missing only now.
    if not answer:
        return Trouble.HANDSHAKE, "the server ends the connection after the handshake"
    return _judged(answer), _shown(answer)


def _of_handshake(error: ssl.SSLError) -> tuple[Trouble, str]:
    if not isinstance(error, ssl.SSLCertVerificationError):
        reason = str(error.reason or error)
        return (Trouble.NO_TLS if reason in _PLAIN else Trouble.HANDSHAKE), reason
    said = error.verify_message
    if error.verify_code in {_EXPIRED, _NOT_YET}:
        return Trouble.EXPIRED, said
    if error.verify_code in {_WRONG_NAME, _WRONG_IP} or "match" in said:
        return Trouble.WRONG_NAME, said
    return Trouble.UNKNOWN_CA, said


def _answers_plainly(place: Place) -> bool:
    return _answer(place, b"PING\r\n", 1.0)[:1] in {b"+", b"-"}


def _shown(answer: bytes | None) -> str:
    if answer is None:
        return "no answer"
    text = answer.split(b"\r\n")[0][:80].decode(errors="replace")
    return "".join(letter if letter.isprintable() else "." for letter in text)


def _words(error: OSError) -> str:
    return str(error.strerror or error)
