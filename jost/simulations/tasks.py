"""The jobs of a simulation: one per chunk, then one that adds up; they run in cpu workers."""

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.signals import worker_init
from django.db import OperationalError

from . import lifecycle
from .engine import count_chunk, warm_up

# A chunk takes half a second compiled and a minute or two in plain Python on a slow machine.
CHUNK_SOFT_SECONDS, CHUNK_SECONDS = 540, 600

# A database that restarts is no reason to lose a simulation.
PATIENT: dict[str, Any] = {
    "autoretry_for": (OperationalError,),
    "max_retries": 20,
    "retry_backoff": True,
    "retry_backoff_max": 30,
}


@shared_task(
    name="jost.simulations.run_chunk",
    # The chord waits for it, whatever the site says about results in general.
    ignore_result=False,
    soft_time_limit=CHUNK_SOFT_SECONDS,
    time_limit=CHUNK_SECONDS,
    **PATIENT,
)
def run_chunk(simulation_id: str, index: int) -> None:
    """Count one chunk; the counting itself holds no transaction open."""
    key = UUID(simulation_id)
    order = lifecycle.begin_chunk(key, index=index)
    if order is None:
        return
    tally = count_chunk(order.rules, seed=order.seed, index=index, rounds=order.rounds)
    lifecycle.record_chunk(key, index=index, tally=tally)


@shared_task(name="jost.simulations.finish", **PATIENT)
def finish(simulation_id: str) -> None:
    """Add up, once all chunks are counted."""
    lifecycle.finish(UUID(simulation_id))


@shared_task(name="jost.simulations.fail", **PATIENT)
def fail(simulation_id: str) -> None:
    """Say on the page that a chunk could not be counted."""
    reason = "A chunk could not be counted; its job in the ledger says why."
    lifecycle.fail(UUID(simulation_id), reason=reason)


@worker_init.connect(dispatch_uid="jost.simulations.warm_up")
def compile_before_the_first_job(*, sender: Any, **_: object) -> None:
    """Compile in the worker's main process: its children inherit the compiled engine."""
    queue = sender.app.amqp.router.route({}, run_chunk.name)["queue"]
    if queue.name in sender.app.amqp.queues.consume_from:
        warm_up()
