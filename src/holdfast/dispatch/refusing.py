"""What a call without a row cannot have: refused where it is made, before anything is sent."""

from __future__ import annotations

from holdfast.exceptions import BatchError, ConfigurationError
from holdfast.lineage import batch_to_join


def refuse_plain_member(name: str) -> None:
    """Raise BatchError inside a batch's block: a batch counts rows."""
    batch = batch_to_join()
    if batch is not None:
        raise BatchError(
            f"A call of {name!r} is plain Celery, which no row knows: it cannot be a member of batch {batch}. Send it "
            "outside of the batch's block, or make it durable."
        )


def refuse_plain_secret(name: str, encrypts: bool) -> None:
    """Raise ConfigurationError where a call is to be encrypted."""
    if encrypts:
        raise ConfigurationError(
            f"A call of {name!r} is to be encrypted, and it is plain Celery: only what is in the ledger can be. Make "
            "it durable, or leave encrypt=True away. Nothing was sent."
        )
