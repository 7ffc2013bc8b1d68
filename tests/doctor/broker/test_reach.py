"""A broker that cannot be reached, told apart on real services: name, port, what answers, password, certificate."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import redis
import trustme

from holdfast.testing.services import (
    Login,
    Mode,
    PostgresServer,
    RedisServer,
    TcpProxy,
    free_port,
)
from tests.doctor.broker.clinic import Clinic, Seen

ONLY = ("--only", "broker")
# Where nobody answers, the time is taken.
SILENT = (*ONLY, "--timeout", "5")


def assert_found(seen: Seen, id: str, *words: str) -> None:
    """The doctor names this one trouble with these words, and what waits for the broker is not asked."""
    found = seen.of(id)
    assert seen.status == 1
    said = f"{found['evidence']} {found['repair']}"
    assert all(word in said for word in words), said
    errors = {one for one in seen.ids if one.startswith("E")}
    assert errors == {id}, seen.told()
    assert any("broker" in one["because"] for one in seen.said["skipped"])


@pytest.mark.parametrize(
    ("container", "says"), [("no", "127.0.0.1"), ("yes", "on the same network")]
)
def test_name_of_a_service_that_is_not_known_here(
    clinic: Clinic, container: str, says: str
) -> None:
    seen = clinic.doctor(
        *ONLY, broker="redis://nosuchservice:6379/0", environment={"DOCTOR_IN_CONTAINER": container}
    )
    assert_found(seen, "E310", "nosuchservice", says)


def test_localhost_inside_a_container(clinic: Clinic) -> None:
    inside = {"DOCTOR_IN_CONTAINER": None, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    seen = clinic.doctor(*ONLY, broker=f"redis://localhost:{free_port()}/0", environment=inside)
    assert_found(seen, "E311", "kubernetes", "redis://redis:")


def test_nobody_listens(clinic: Clinic) -> None:
    port = free_port()
    assert_found(clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{port}/0"), "E312", f"{port}")


@contextmanager
def http_server() -> Iterator[int]:
    """Serve HTTP on a port of loopback."""
    server = HTTPServer(("127.0.0.1", free_port()), BaseHTTPRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def test_http_answers(clinic: Clinic) -> None:
    with http_server() as port:
        seen = clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{port}/0")
    assert_found(seen, "E313", "HTTP")


def test_postgresql_answers(clinic: Clinic, postgres_server: PostgresServer) -> None:
    seen = clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{postgres_server.port}/0")
    assert_found(seen, "E313", "PostgreSQL")


class Guarded:
    """A Redis behind TLS, whose certificate a test chooses."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.authority = trustme.CA()
        self.file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.file))

    @contextmanager
    def behind(
        self, *names: str, not_after: dt.datetime | None = None, asks: bool = False
    ) -> Iterator[str]:
        """Yield `127.0.0.1:port` of a TLS end with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*names, not_after=not_after).configure_cert(context)
        if asks:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        with TcpProxy(self.server.port, tls=context) as tls:
            yield f"127.0.0.1:{tls.port}"

    def url(self, address: str) -> str:
        return f"rediss://{address}/0?ssl_cert_reqs=required&ssl_ca_certs={self.file}"


@pytest.fixture
def guarded(healthy_redis: RedisServer, tmp_path: Path) -> Guarded:
    return Guarded(healthy_redis, tmp_path)


def test_tls_is_spoken_where_the_url_is_plain(clinic: Clinic, guarded: Guarded) -> None:
    with guarded.behind("127.0.0.1") as address:
        seen = clinic.doctor(*ONLY, broker=f"redis://{address}/0")
    assert_found(seen, "E314", "rediss://")


def test_plain_redis_where_the_url_asks_for_tls(clinic: Clinic, healthy_redis: RedisServer) -> None:
    url = f"rediss://127.0.0.1:{healthy_redis.port}/0?ssl_cert_reqs=none"
    assert_found(clinic.doctor(*ONLY, broker=url), "E315")


def test_certificate_of_somebody_unknown(clinic: Clinic, guarded: Guarded) -> None:
    with guarded.behind("127.0.0.1") as address:
        seen = clinic.doctor(*ONLY, broker=f"rediss://{address}/0?ssl_cert_reqs=required")
    assert_found(seen, "E321", "ssl_ca_certs")


def test_certificate_for_another_name(clinic: Clinic, guarded: Guarded) -> None:
    with guarded.behind("redis.example") as address:
        assert_found(clinic.doctor(*ONLY, broker=guarded.url(address)), "E322", "127.0.0.1")


def test_certificate_out_of_date(clinic: Clinic, guarded: Guarded) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    with guarded.behind("127.0.0.1", not_after=past) as address:
        assert_found(clinic.doctor(*ONLY, broker=guarded.url(address)), "E323", "expired")


def test_certificate_of_the_client_is_missing(clinic: Clinic, guarded: Guarded) -> None:
    with guarded.behind("127.0.0.1", asks=True) as address:
        assert_found(clinic.doctor(*ONLY, broker=guarded.url(address)), "E324", "ssl_certfile")


def test_good_certificate_is_passed_by_in_silence(clinic: Clinic, guarded: Guarded) -> None:
    with guarded.behind("127.0.0.1") as address:
        seen = clinic.doctor(*ONLY, broker=guarded.url(address))
    assert (seen.status, seen.ids) == (0, set()), seen.told()


@pytest.mark.parametrize(
    ("mode", "id"), [(Mode.BLACKHOLE, "E316"), (Mode.HALF, "E316"), (Mode.RESET, "E329")]
)
def test_network_that_swallows_or_cuts(
    clinic: Clinic, healthy_redis: RedisServer, mode: Mode, id: str
) -> None:
    with TcpProxy(healthy_redis.port) as proxy:
        proxy.switch(mode)
        assert_found(clinic.doctor(*SILENT, broker=proxy.url(healthy_redis.url)), id)


def test_frozen_redis(clinic: Clinic, healthy_redis: RedisServer) -> None:
    healthy_redis.pause()
    try:
        assert_found(clinic.doctor(*SILENT, broker=healthy_redis.url), "E316")
    finally:
        healthy_redis.resume()


def test_database_that_is_not_there(clinic: Clinic, healthy_redis: RedisServer) -> None:
    url = f"redis://127.0.0.1:{healthy_redis.port}/99"
    assert_found(clinic.doctor(*ONLY, broker=url), "E320", "out of range")


def test_one_of_two_hosts_is_away(clinic: Clinic, healthy_redis: RedisServer) -> None:
    url = f"{healthy_redis.url};redis://127.0.0.1:{free_port()}/0"
    seen = clinic.doctor(*ONLY, broker=url)
    assert (seen.status, seen.ids) == (0, {"W334"}), seen.told()


LOGIN = Login("jobs", "s3cret-word")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that lets in nobody without a password, and a guest who may do nothing."""
    with RedisServer(tmp_path_factory.mktemp("locked"), login=LOGIN) as server:
        server.command("ACL SETUSER guest on >guest-word +ping +select +client")
        yield server


@pytest.mark.parametrize(
    ("account", "id", "says"),
    [
        ("", "E317", "no password"),
        ("jobs:wrong-word@", "E318", "A password is given"),
        ("nobody:s3cret-word@", "E318", "A password is given"),
        ("guest:guest-word@", "E319", "ACL SETUSER"),
    ],
)
def test_account_that_is_not_let_in(
    clinic: Clinic, locked: RedisServer, account: str, id: str, says: str
) -> None:
    seen = clinic.doctor(*ONLY, broker=f"redis://{account}127.0.0.1:{locked.port}/0")
    assert_found(seen, id, says)
    assert "-word" not in str(seen.said)


def test_redis_that_says_nothing_of_itself_is_a_remark(clinic: Clinic, locked: RedisServer) -> None:
    locked.command("ACL SETUSER clerk on >clerk-word ~* &* +@all -info")
    seen = clinic.doctor(*ONLY, broker=f"redis://clerk:clerk-word@127.0.0.1:{locked.port}/0")
    assert (seen.status, seen.ids) == (0, {"I355"}), seen.told()
    assert any("says how it is" in one["because"] for one in seen.said["skipped"])


def test_no_more_clients_are_let_in(clinic: Clinic, tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path / "full", options=["--maxclients", "3"]) as server,
        ExitStack() as held,
    ):
        for _ in range(3):
            client = redis.Redis(port=server.port, single_connection_client=True)
            held.callback(client.close)
            client.ping()
        seen = clinic.doctor(*ONLY, broker=server.url)
    assert_found(seen, "E328", "maxclients")


def test_command_that_is_renamed_is_told_in_the_servers_words(
    clinic: Clinic, tmp_path: Path
) -> None:
    options = ["--rename-command", "SELECT", "HIDDEN"]
    with RedisServer(tmp_path / "odd", options=options) as server:
        seen = clinic.doctor(*ONLY, broker=f"redis://127.0.0.1:{server.port}/3")
    assert_found(seen, "E333", "unknown command")
