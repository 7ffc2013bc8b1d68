"""A message on its way: as a durable job, and without one where workers are the problem.

What if the process dies here? The message is a row, and the job was recorded with it. Each sending is an effect with
the message's key: one that was recorded is not made again, whoever tries; one that died between the answer of the
channel and its record is made again, because a message twice is better than none.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from celery import current_app

from holdfast.alerts import channels
from holdfast.alerts.errors import NotSent
from holdfast.alerts.stated import current
from holdfast.alerts.tasks import OWN_TASK
from holdfast.exceptions import AttemptLost, EffectBusy
from holdfast.ledger import alerts as ledger
from holdfast.ledger.alerts import NoticeRow
from holdfast.ledger.reads import worker_reads
from holdfast.policies.effects import effect

logger = logging.getLogger("holdfast.alerts")
# Who has waited so long for a worker is sent without.
PATIENCE = timedelta(seconds=60)
# A message that is older is news no more.
KEPT = timedelta(days=1)
AT_ONCE = 50
# Who needs longer is asked for one message a pass.
SLOW_SECONDS = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 1800.0


def send(notice: int) -> str:
    """Send a message by its number, as its job does."""
    row = ledger.notice(notice)
    return "it is gone" if row is None else deliver(row)


def record(notice: int) -> None:
    """Have a message sent by a job, which is part of the transaction that is open."""
    current_app.tasks[OWN_TASK].apply_async((notice,), queue=current().queue)


def deliver(row: NoticeRow) -> str:
    """Send a message now unless it was sent; return what was answered.

    Raises:
        NotSent: the channel did not take it.
        EffectBusy: somebody else is sending it.
    """
    if row.sent_at is not None:
        return "it was sent before"
    channel = current().channels.get(row.channel)
    if channel is None:
        ledger.note_try(row, error=f"there is no channel {row.channel} in the settings")
        return "its channel is gone"
    try:
        turn = effect(f"alert:{row.key}", keep=2 * KEPT)
        said = turn.once(channels.send, channel, row.body, row.key, in_doubt="repeat")
    except (AttemptLost, EffectBusy):
        raise
    except Exception as error:
        ledger.note_try(row, error=f"{type(error).__name__}: {error}")
        raise
    ledger.note_try(row)
    return str(said)


def is_served() -> bool:
    """Tell whether a worker that is not stalled takes messages from their queue."""
    queue = current().queue
    return any(
        queue in worker.queues and worker.stalled_seconds is None
        for worker in worker_reads.workers()
    )


def send_what_waits(*, served: bool, now: datetime) -> int:
    """Send, from this very process, what no worker sends; return how many left.

    A channel that is slow is asked for no other in the same pass: fifty messages to one that hangs would hold up the
    messages to all others, and the next look, for minutes.
    """
    sent = 0
    slow: set[str] = set()
    for row in ledger.unsent(within=KEPT, limit=AT_ONCE):
        if (served and now - row.made_at < PATIENCE) or not _is_due(row, now):
            continue
        if row.channel in slow:
            continue
        began = time.monotonic()
        try:
            deliver(row)
            sent += 1
        except EffectBusy:
            continue
        except NotSent as error:
            logger.warning("A message to the channel %s was not sent: %s", row.channel, error)
        except Exception:
            logger.exception("A message to the channel %s was not sent", row.channel)
        if time.monotonic() - began > SLOW_SECONDS:
            slow.add(row.channel)
    return sent


def _is_due(row: NoticeRow, now: datetime) -> bool:
    if row.tried_at is None:
        return True
    pause = min(_FIRST_PAUSE * 2.0 ** min(row.tries - 1, 10), _LONGEST_PAUSE)
    # Or the clock was set back since.
    return not timedelta() <= now - row.tried_at < timedelta(seconds=pause)
