"""Who else uses the broker's Redis, who can reach it, and how fast it answers."""

from __future__ import annotations

import ipaddress
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.broker.places import Place, read, urls_of
from holdfast.doctor.findings import Finding
from holdfast.doctor.probes import server_words
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

PINGS = 9
SLOW_SECONDS = 0.02


@probe(
    area="broker",
    finds=[server_words.SHARED_WITH_CACHE, server_words.SHARED_WITH_RESULTS],
    live=False,
)
def broker_has_its_own_database(look: Look) -> Iterator[Finding]:
    """Whether Django's caches or Celery's results are in the database of the queues."""
    broker = {_database(place): place for place in look.places if place.is_redis}
    for alias, cache in getattr(look.django, "CACHES", {}).items():
        for place in map(read, urls_of(cache.get("LOCATION"))):
            if _database(place) in broker:
                yield server_words.SHARED_WITH_CACHE.seen(
                    f"CACHES[{alias!r}] and the broker are both {place.address}, database {place.database}.",
                    about=alias,
                )
    for place in map(read, urls_of(look.conf.result_backend)):
        if _database(place) in broker:
            yield server_words.SHARED_WITH_RESULTS.seen(
                f"CELERY_RESULT_BACKEND and the broker are both {place.address}, database {place.database}."
            )


@probe(area="broker", finds=[server_words.PUBLIC], after=("settings", "broker", "redis"))
def redis_is_not_public(look: Look) -> Iterator[Finding]:
    """Whether a Redis that asks for no password has a public address."""
    for place, addresses in _open_ones(look):
        public = [address for address in addresses if ipaddress.ip_address(address).is_global]
        if public:
            yield server_words.PUBLIC.seen(
                f"{place.address} is {', '.join(public)}, and lets in whoever asks.",
                about=place.address,
            )


@probe(
    area="deploy",
    finds=[server_words.NO_PASSWORD],
    after=("settings", "broker", "redis"),
    deploy=True,
)
def redis_asks_for_a_password(look: Look) -> Iterator[Finding]:
    """Whether others on its network are kept out of Redis."""
    for place, addresses in _open_ones(look):
        if not place.is_loopback and not any(
            ipaddress.ip_address(one).is_global for one in addresses
        ):
            yield server_words.NO_PASSWORD.seen(
                f"{place.address} lets in whoever asks.", about=place.address
            )


@probe(area="broker", finds=[server_words.SLOW], after=("settings", "broker", "redis"), seconds=5.0)
def broker_answers_soon(look: Look) -> Iterator[Finding]:
    """How long the broker takes to answer: the fastest of several, which a busy processor here does not change."""
    client, took = look.redis(), []
    for _ in range(PINGS):
        began = time.perf_counter()
        client.ping()
        took.append(time.perf_counter() - began)
    look.facts["broker.ping_seconds"] = statistics.median(took)
    if min(took) > SLOW_SECONDS:
        yield server_words.SLOW.seen(
            f"The fastest of {PINGS} answers took {min(took) * 1000:.0f} ms, the median "
            f"{statistics.median(took) * 1000:.0f} ms.",
            fastest_seconds=min(took),
        )


def _open_ones(look: Look) -> Iterator[tuple[Place, list[str]]]:
    """Yield the places that let us in without a password, with their addresses."""
    known = look.facts.get("broker.addresses", {})
    for place in look.places:
        if place.scheme in {"redis", "rediss"} and not place.password:
            yield place, known.get(place.address, [])


def _database(place: Place) -> tuple[str, int, str]:
    host = "localhost" if place.is_loopback else place.host.lower()
    return host, place.port, place.database if place.host else f"none of {id(place)}"
