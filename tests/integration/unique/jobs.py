"""What the tests of unique jobs look at and move by hand."""

from __future__ import annotations

import json
from typing import Any

from holdfast.ledger import transitions
from holdfast.ledger.models import Job
from holdfast.ledger.models.unique import UniqueKey
from holdfast.ledger.reads import queries
from holdfast.ledger.records import Hold
from tests.harness import Site
from tests.rows import hire


def called_with(job: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments a job is recorded with."""
    message = queries.message_of(job)
    assert message is not None
    args, kwargs, _ = json.loads(message[2])
    return args, kwargs


def row(site: Site, job: str) -> Job:
    return Job.objects.using(site.alias).get(id=job)


def claim(site: Site, job: str) -> Hold:
    """Take a queued job for an attempt."""
    worker = hire()
    (claimed,) = transitions.claim([(job, row(site, job).token, False)], worker=worker).claimed
    return Hold(job, claimed.token, worker)


def end(site: Site, job: str) -> None:
    """Run a queued job to its end."""
    assert transitions.succeed(claim(site, job), stored=None)


def keys(site: Site) -> dict[str, str]:
    """Return the keys there are, with their jobs."""
    return dict(UniqueKey.objects.using(site.alias).values_list("key", "job"))
