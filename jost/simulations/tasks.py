"""The jobs of a simulation: one per chunk, then one that ends the leg; they run in cpu workers."""

from typing import Any
from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_init
from django.db import InterfaceError, OperationalError

from . import gathering, legs
from .engine import count_chunk, is_compiled, warm_up

# The largest chunk takes some seconds compiled.
CHUNK_SOFT_SECONDS, CHUNK_SECONDS = 540, 600
# What plain Python counts within these limits on any machine.
MOST_ROUNDS_UNCOMPILED = 3_200_000

# A database that restarts is no reason to lose a simulation.
PATIENT: dict[str, Any] = {
    "autoretry_for": (OperationalError, InterfaceError),
    "max_retries": 20,
    "retry_backoff": True,
    "retry_backoff_max": 30,
}
COMPILE = (
    "Install Numba where this worker runs (it is in JOST's requirements), let JOST_PURE_PYTHON be "
    "unset, and restart the worker."
)


class SlowWorkerError(RuntimeError):
    """This worker is too slow for the chunk; the message says why, and what to do."""


@shared_task(
    name="jost.simulations.run_chunk",
    soft_time_limit=CHUNK_SOFT_SECONDS,
    time_limit=CHUNK_SECONDS,
    **PATIENT,
)
def run_chunk(simulation_id: str, index: int) -> None:
    """Count one chunk; the counting itself holds no transaction open."""
    key = UUID(simulation_id)
    order = gathering.begin_chunk(key, index=index)
    if order is None:
        return
    if order.rounds > MOST_ROUNDS_UNCOMPILED and not is_compiled():
        raise SlowWorkerError(
            f"Chunk {index} has {order.rounds:,} rounds, which plain Python cannot count in "
            f"{CHUNK_SOFT_SECONDS} seconds. {COMPILE}"
        )
    try:
        tally = count_chunk(order.game, seed=order.seed, index=index, rounds=order.rounds)
    except SoftTimeLimitExceeded:
        repair = "Give it a core of its own." if is_compiled() else COMPILE
        raise SlowWorkerError(
            f"Chunk {index} of {order.rounds:,} rounds took more than {CHUNK_SOFT_SECONDS} "
            f"seconds. {repair}"
        ) from None
    gathering.record_chunk(key, index=index, tally=tally)


@shared_task(name="jost.simulations.end_leg", **PATIENT)
def end_leg(batch_id: str, simulation_id: str, leg: int) -> None:
    """Add up, once all jobs of a leg have ended."""
    gathering.end_leg(UUID(simulation_id), leg=leg, jobs=legs.outcome_of(batch_id))


@shared_task(name="jost.simulations.fail_leg", **PATIENT)
def fail_leg(batch_id: str, simulation_id: str, leg: int) -> None:
    """Say on the page that a chunk could not be counted, and why."""
    gathering.fail_leg(UUID(simulation_id), leg=leg, jobs=legs.outcome_of(batch_id))


@shared_task(name="jost.simulations.finish")
def finish(simulation_id: str) -> None:
    """Nothing: what the first version sent may still wait, and its simulations are deleted."""


@shared_task(name="jost.simulations.fail")
def fail(simulation_id: str) -> None:
    """Nothing, as `finish`."""


@worker_init.connect(dispatch_uid="jost.simulations.warm_up")
def compile_before_the_first_job(*, sender: Any, **_: object) -> None:
    """Compile in the worker's main process: its children inherit the compiled engine."""
    queue = sender.app.amqp.router.route({}, run_chunk.name)["queue"]
    if queue.name in sender.app.amqp.queues.consume_from:
        warm_up()
