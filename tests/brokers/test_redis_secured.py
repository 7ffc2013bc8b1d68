"""Redis behind TLS and a password: sent, run and healed as on any other."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
import trustme

from holdfast.testing.services import Login, RedisServer, TcpProxy
from tests.brokers.jobs import assert_ended, send_of_each_kind
from tests.eventually import eventually
from tests.harness import Site, new_site

LOGIN = Login("jobs", "s3cret-word")


class Secured(NamedTuple):
    """A Redis that asks for a password, the end of TLS before it, and who says that its certificate is good."""

    server: RedisServer
    tls: TcpProxy
    authority: str

    def url(self, **options: str) -> str:
        """Return the address with options of TLS in its query."""
        address = self.tls.url(self.server.url).replace("redis://", "rediss://").rstrip("0")
        return f"{address}0?{urlencode(options)}" if options else f"{address}0"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with (
        RedisServer(folder / "redis", login=LOGIN) as server,
        TcpProxy(server.port, tls=context) as tls,
    ):
        yield Secured(server, tls, str(folder / "ca.pem"))


@pytest.fixture(scope="module", params=[("URL", "sqlite"), ("settings", "postgres")], ids="-".join)
def site(secured: Secured, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site that has the options of TLS in its URL, and one that has them in its settings."""
    where, kind = request.param
    options = {"ssl_cert_reqs": "required", "ssl_ca_certs": secured.authority}
    celery = {"broker_use_ssl": options} if where == "settings" else {}
    url = secured.url() if where == "settings" else secured.url(**options)
    with new_site(kind, request, broker_url=url, celery=celery) as site:
        yield site


def test_jobs_of_each_kind_end_over_tls_with_a_password(site: Site) -> None:
    site.worker()
    assert_ended(site, send_of_each_kind(site))


def test_worker_killed_over_tls_loses_nothing(site: Site, secured: Secured) -> None:
    site.empty()
    (worker,) = site.workers
    sent = site.task("effect").apply_many([(f"job {n}", 0.02) for n in range(60)])
    eventually(lambda: len(site.effects()) > 10)
    worker.kill()
    secured.tls.cut()

    site.worker()

    site.wait_all_final()
    assert site.counts() == {"succeeded": len(sent)}


def test_wrong_password_and_foreign_certificate_leave_the_job_in_the_ledger(
    secured: Secured, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    trusted = {"ssl_cert_reqs": "required", "ssl_ca_certs": secured.authority}
    foreign = trusted | {"ssl_ca_certs": str(other)}
    wrong = secured.url(**trusted).replace(LOGIN.password, "guess")
    for url in (wrong, secured.url(**foreign)):
        with new_site("sqlite", request, broker_url=url) as site:
            site.task("effect").delay("kept")
            site.task("effect").delay("kept too")
            assert list(site.states().values()) == ["held", "held"]
            assert not site.app.outbox.publisher.is_reachable()


def test_certificate_is_not_verified_unless_that_is_asked_for(
    secured: Secured, request: pytest.FixtureRequest
) -> None:
    """As in Celery, for hosts whose certificate nobody has signed; the check `holdfast.W008` names it."""
    with new_site("sqlite", request, broker_url=secured.url()) as site:
        sent = site.task("effect").delay("over TLS")
        assert site.states()[sent.id] == "queued"
        assert secured.server.facts("clients")["connected_clients"] != "0"
