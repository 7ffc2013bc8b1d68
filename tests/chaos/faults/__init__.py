"""The catalogue of faults of the soak: each is named, strikes what holds work, and is over when its strike returns."""

from tests.chaos.faults import (
    broker,
    clocks,
    database,
    deliveries,
    deploys,
    network,
    processes,
    producers,
    schedulers,
)
from tests.chaos.faults.scene import Fault, Scene

CATALOGUE: tuple[Fault, ...] = (
    *processes.FAULTS,
    *deploys.FAULTS,
    *producers.FAULTS,
    *schedulers.FAULTS,
    *clocks.FAULTS,
    *broker.FAULTS,
    *deliveries.FAULTS,
    *network.FAULTS,
    *database.FAULTS,
)

__all__ = ["CATALOGUE", "Fault", "Scene"]
