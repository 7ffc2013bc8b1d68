"""What travels over the broker in place of a job; known to the ledger, which issues tickets, and to the broker."""

from __future__ import annotations

from typing import NamedTuple

# The header under which a message says that it is a durable job's, and a claimed request whose attempt it is.
HEADER = "holdfast"
# Headers of a job itself, which what follows it does not inherit: its retry rules, and what they have counted.
RULES = "holdfast_retry_rules"
COUNTED = "holdfast_retried"
# The header that names the batch a job is a member of; what its end sends on inherits it.
BATCH = "holdfast_batch"


class Ticket(NamedTuple):
    """What a message on the broker stands for: this job at this token, on this queue."""

    id: str
    token: int
    task: str
    queue: str
    priority: int
