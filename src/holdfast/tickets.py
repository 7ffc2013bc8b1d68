"""What travels over the broker in place of a job; known to the ledger, which issues tickets, and to the broker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

# The header under which a message says that it is a durable job's, and a claimed request whose attempt it is.
HEADER = "holdfast"
# Headers of a job itself, which what follows it does not inherit: its retry rules, what they have counted, ...
RULES = "holdfast_retry_rules"
COUNTED = "holdfast_retried"
# The header by which a retry tells its attempt of the one before, where calls are traced.
FORMER = "holdfast_former"
# The header that names the batch a job is a member of; what its end sends on inherits it.
BATCH = "holdfast_batch"
# The key under which a limited job's stored headers name its limits, for whoever ends an attempt of it.
LIMITS = "holdfast_limits"


class Ticket(NamedTuple):
    """What a message on the broker stands for: this job at this token, on this queue."""

    id: str
    token: int
    task: str
    queue: str
    priority: int


class Standby(Ticket):
    """The ticket of a job that is held: it was moved, and there is nothing yet to be put on the broker."""

    __slots__ = ()


def to_publish(tickets: Iterable[Ticket]) -> list[Ticket]:
    """Return those that belong on the broker now."""
    return [ticket for ticket in tickets if not isinstance(ticket, Standby)]
