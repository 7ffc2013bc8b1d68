"""Memory that grows in the processes of workers on any host, by the samples they take of themselves."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import lasting

GROWS = define(
    "holdfast.W511",
    title="A worker tells of a process that takes more and more memory",
    leads_to="The host or its container runs out of it and kills a process: its jobs are lost and begin again.",
    repair="Let a process be replaced in time: CELERY_WORKER_MAX_MEMORY_PER_CHILD in KiB, or "
    "CELERY_WORKER_MAX_TASKS_PER_CHILD. Then look for what holds on: caches without a bound, rows kept in modules.",
)


@probe(area="workers", finds=[GROWS], after=["settings", "tables"])
def memory_does_not_grow(look: Look) -> Iterator[Finding]:
    """The process of each live worker that grows most, unless something bounds it."""
    from holdfast.ledger.reads import health

    bounded = look.conf.worker_max_memory_per_child or look.conf.worker_max_tasks_per_child
    for name, growth in health.growing():
        prefork = growth.pool == "prefork"
        if bounded and prefork:
            continue
        until = (
            f"CELERY_WORKER_MAX_MEMORY_PER_CHILD = {int(growth.from_mib * 2) * 1024}  # KiB"
            if prefork
            else f"Run the tasks on the prefork pool, where a process can be replaced; {growth.pool} has one."
        )
        yield GROWS.seen(
            f"{name}: process {growth.pid} has grown from {growth.from_mib:g} to {growth.to_mib:g} MiB in "
            f"{lasting(growth.seconds)}: {growth.mib_per_hour:,.0f} MiB an hour, and nothing bounds it.",
            repair=until,
            about=name,
            worker=name,
            pid=growth.pid,
            from_mib=growth.from_mib,
            to_mib=growth.to_mib,
            mib_per_hour=growth.mib_per_hour,
        )
