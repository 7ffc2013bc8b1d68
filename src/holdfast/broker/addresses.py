"""Checks of the broker's address: what is known of it without asking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core import checks
from django.core.checks import CheckMessage

from holdfast.broker.places import places, port_beyond

# Ids never change their meaning.
REDIS_CLUSTER = "holdfast.E009"
NO_MASTER_NAME = "holdfast.E010"
NO_SUCH_PORT = "holdfast.E011"
TLS_UNVERIFIED = "holdfast.W008"
OTHER_BROKER = "holdfast.W009"
_KNOWN = {"redis", "rediss", "sentinel", "amqp", "amqps", "pyamqp", "memory"}
_NOT_VERIFIED = {"none", "cert_none", "verifymode.cert_none", "0"}


def check_kind(conf: Any) -> Iterator[CheckMessage]:
    """Find brokers that cannot hold what is promised."""
    for url in _urls(conf):
        parts = urlsplit(url)
        if "cluster" in parts.scheme or (parts.hostname or "").startswith("clustercfg."):
            yield checks.Error(
                f"The broker {parts.hostname or parts.scheme} is a Redis Cluster: a worker waits on several lists at "
                "once, which a cluster refuses.",
                hint="Use a Redis or Valkey with cluster mode disabled; a replica and Sentinels make it available.",
                id=REDIS_CLUSTER,
            )
        elif parts.scheme == "sentinel" and not (conf.broker_transport_options or {}).get(
            "master_name"
        ):
            yield checks.Error(
                f"The broker is behind Sentinels ({parts.hostname}), and nothing says which master they are asked for.",
                hint="Set CELERY_BROKER_TRANSPORT_OPTIONS = {'master_name': ...} to the name in their configuration.",
                id=NO_MASTER_NAME,
            )
            return
        elif parts.scheme not in _KNOWN:
            yield checks.Warning(
                f"Holdfast is not tested on a broker of the kind {parts.scheme}://: what it loses is not found.",
                hint="Use Redis, Valkey or RabbitMQ for what must not be lost.",
                id=OTHER_BROKER,
            )


def check_ports(conf: Any) -> Iterator[CheckMessage]:
    """Find ports that nobody can connect to: what is sent waits in the ledger, and workers do not start."""
    for place in places(conf):
        if wrong := port_beyond(place.shown):
            yield checks.Error(
                f"The broker's URL {place.shown} cannot be used: {wrong}.",
                hint="Correct it in CELERY_BROKER_URL, or in the variable that it is made of.",
                id=NO_SUCH_PORT,
            )


def check_tls(conf: Any) -> Iterator[CheckMessage]:
    """Find connections that are encrypted to whoever answers."""
    hosts = sorted(
        {
            urlsplit(url).hostname or ""
            for url in _urls(conf)
            if urlsplit(url).scheme in {"rediss", "sentinel"} and _unverified(url, conf)
        }
    )
    if hosts:
        yield checks.Warning(
            f"The certificate of the broker is not verified ({', '.join(hosts)}): whoever is between can read the "
            "password, and send.",
            hint="Add ?ssl_cert_reqs=required to the URL, and &ssl_ca_certs=/path/to/ca.pem if the system does not "
            "know who signed it; or set both in CELERY_BROKER_USE_SSL.",
            id=TLS_UNVERIFIED,
        )


def _unverified(url: str, conf: Any) -> bool:
    asked = conf.broker_use_ssl
    if isinstance(asked, Mapping):
        return str(asked.get("ssl_cert_reqs", "required")).lower() in _NOT_VERIFIED
    options = parse_qs(urlsplit(url).query)
    given = [name for name in options if name.startswith("ssl_")]
    if urlsplit(url).scheme != "rediss":
        return False
    # Without a word about it Celery verifies nothing.
    return not given or options.get("ssl_cert_reqs", ["required"])[0].lower() in _NOT_VERIFIED


def _urls(conf: Any) -> Iterator[str]:
    for setting in (conf.broker_read_url, conf.broker_write_url):
        several = setting if isinstance(setting, list | tuple) else str(setting or "").split(";")
        yield from (url for url in several if isinstance(url, str) and _is_readable(url))


def _is_readable(url: str) -> bool:
    """Tell whether it is a URL at all; the doctor says what is wrong with one that is not."""
    try:
        return "://" in url and urlsplit(url).port is not False
    except ValueError:
        return False
