"""The deployment checklist, what it says of workers and of the way to the broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.probing import probe

if TYPE_CHECKING:
    from holdfast.doctor.look import Look

UNBOUNDED = define(
    "holdfast.W521",
    title="Nothing bounds the memory of a worker's processes",
    leads_to="Leaks add up over days, until the system kills a worker in the middle of its jobs.",
    repair="CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000 and CELERY_WORKER_MAX_MEMORY_PER_CHILD = 512000 (KiB); and a "
    "limit of memory on the container or the unit.",
)
IN_CLEAR = define(
    "holdfast.W731",
    title="The way to the broker is in clear",
    leads_to="Whoever is in between reads the password and the messages of tasks with durable=False, and can send.",
    repair="Let the broker speak TLS, and write rediss:// (amqps://) with ?ssl_cert_reqs=required; or silence this "
    "where the network is yours alone.",
)


@probe(area="deploy", finds=[UNBOUNDED], live=False, deploy=True)
def pools_are_bounded(look: Look) -> Iterator[Finding]:
    """Whether processes of a prefork pool are replaced some day."""
    conf = look.conf
    bounded = conf.worker_max_tasks_per_child or conf.worker_max_memory_per_child
    if conf.worker_pool == "prefork" and not bounded:
        yield UNBOUNDED.seen(
            "Neither CELERY_WORKER_MAX_TASKS_PER_CHILD nor CELERY_WORKER_MAX_MEMORY_PER_CHILD is set."
        )


@probe(area="deploy", finds=[IN_CLEAR], live=False, deploy=True)
def way_to_the_broker_is_closed(look: Look) -> Iterator[Finding]:
    """Whether the broker is reached by TLS, where it is on another host."""
    for place in look.places:
        if place.host and not (place.tls or place.is_loopback or place.scheme == "sentinel"):
            yield IN_CLEAR.seen(
                f"{place.shown} is on another host, without TLS.", about=place.address
            )
