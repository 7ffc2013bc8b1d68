"""The catalogue of faults of the soak: each is named, strikes what holds work, and is over when its strike returns."""

from tests.chaos.faults import broker, database, network, processes
from tests.chaos.faults.scene import Fault, Scene

CATALOGUE: tuple[Fault, ...] = (
    *processes.FAULTS,
    *broker.FAULTS,
    *network.FAULTS,
    *database.FAULTS,
)

__all__ = ["CATALOGUE", "Fault", "Scene"]
