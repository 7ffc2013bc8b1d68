"""Tasks that use one feature each, of a project that has adopted Holdfast; what they do beside it is nothing."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task

import holdfast
from benchmarks.project.tally import count

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True, keep_last=1_000_000)
def with_retention(_number: int) -> None:
    count()


@shared_task(ignore_result=True, unique=holdfast.Unique(scope="unfinished"))
def unique(_number: int) -> None:
    count()


@shared_task(ignore_result=True, limit=holdfast.Limit("wide", concurrency=1_000_000))
def limited(_number: int) -> None:
    count()


@shared_task(ignore_result=True, encrypt=True)
def encrypted(_number: int) -> None:
    count()


@shared_task(ignore_result=True, typed_arguments=True)
def typed(_number: int) -> None:
    count()


@shared_task(ignore_result=True)
def with_log(number: int) -> None:
    # What the level of the measured workers lets through.
    logger.warning("at work on %d", number)
    count()


@shared_task(ignore_result=True)
def with_effect(number: int) -> None:
    holdfast.effect(f"call:{number}").once(int)
    count()


@shared_task(ignore_result=True, bind=True)
def with_checkpoint(self: Any, number: int) -> None:
    self.checkpoint({"at": number})
    count()
