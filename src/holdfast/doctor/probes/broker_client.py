"""How this project's own connections to the broker are set; from the settings alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from holdfast.broker.places import read, urls_of
from holdfast.doctor.findings import Finding
from holdfast.doctor.probes import client_words
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

# What a worker should bear: a restart of Redis with its data, or a failover by hand.
PATIENCE_SECONDS = 900
_THREADS = {"threads", "gevent", "eventlet"}


@probe(area="broker", finds=client_words.SOCKETS, live=False)
def sockets_are_watched(look: Look) -> Iterator[Finding]:
    """Whether a connection whose far end is gone is found out."""
    if not any(place.is_redis for place in look.places):
        return
    options = look.conf.broker_transport_options or {}
    for name in ("socket_timeout", "socket_connect_timeout"):
        if not options.get(name, 1):
            yield client_words.NO_TIMEOUT.seen(
                _option(name, options), repair=_remove(name), about=name
            )
    if not options.get("socket_keepalive", True):
        yield client_words.NO_KEEPALIVE.seen(_option("socket_keepalive", options))
    if not options.get("health_check_interval", 1):
        yield client_words.NO_HEALTH_CHECK.seen(_option("health_check_interval", options))
    if options.get("retry_on_timeout") is False:
        yield client_words.NO_RETRY.seen(_option("retry_on_timeout", options))


@probe(area="broker", finds=client_words.PATIENCE, live=False)
def workers_wait_for_the_broker(look: Look) -> Iterator[Finding]:
    """Whether workers come through a broker that is away for some minutes."""
    conf = look.conf
    at_start = conf.broker_connection_retry_on_startup
    if at_start is False:
        yield client_words.NOT_AT_START.seen("CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP is False.")
    tries = conf.broker_connection_max_retries
    if (
        tries
        and conf.broker_connection_retry
        and (seconds := _waited(int(tries))) < PATIENCE_SECONDS
    ):
        yield client_words.GIVES_UP_SOON.seen(
            f"CELERY_BROKER_CONNECTION_MAX_RETRIES is {tries}: a worker ends {seconds // 60} min "
            f"{seconds % 60} s after the broker has gone.",
            seconds=seconds,
        )


@probe(area="broker", finds=[client_words.SMALL_POOL], live=False)
def pool_has_room_for_the_threads(look: Look) -> Iterator[Finding]:
    """Whether as many threads can send at once as a worker has."""
    conf = look.conf
    # None and 0 open a connection for each use.
    limit = int(conf.broker_pool_limit or 0)
    threads = int(conf.worker_concurrency or 0)
    if conf.worker_pool in _THREADS and 0 < limit < threads:
        yield client_words.SMALL_POOL.seen(
            f"CELERY_BROKER_POOL_LIMIT is {limit}, and a worker has {threads} {conf.worker_pool}.",
            repair=f"CELERY_BROKER_POOL_LIMIT = {threads}",
            limit=limit,
            threads=threads,
        )


@probe(area="broker", finds=client_words.RESULTS, live=False)
def results_in_redis_end(look: Look) -> Iterator[Finding]:
    """Whether results that are kept in Redis go some day, and whether their connections have timeouts."""
    conf = look.conf
    if not any(place.is_redis for place in map(read, urls_of(conf.result_backend))):
        return
    if not conf.result_expires:
        yield client_words.RESULTS_FOR_EVER.seen(
            f"CELERY_RESULT_EXPIRES is {conf.result_expires!r}, and results are in Redis."
        )
    if not conf.redis_socket_timeout:
        yield client_words.RESULTS_NO_TIMEOUT.seen(
            f"CELERY_REDIS_SOCKET_TIMEOUT is {conf.redis_socket_timeout!r}."
        )


def _option(name: str, options: Any) -> str:
    return f"CELERY_BROKER_TRANSPORT_OPTIONS[{name!r}] is {options[name]!r}."


def _remove(name: str) -> str:
    return f"Remove {name!r} from CELERY_BROKER_TRANSPORT_OPTIONS, or set it to 5."


def _waited(tries: int) -> int:
    """Return for how many seconds Celery tries so often: after 2 s, 4 s, and so on up to 30 s."""
    return sum(min(2 * number, 30) for number in range(1, tries + 1))
