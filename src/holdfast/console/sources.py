"""The sources of the attention list that look at the ledger, at the broker, and at what the snapshot has seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from celery import current_app
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from holdfast.beat import listing
from holdfast.conf import get_settings
from holdfast.console.attention import Seen, Severity, Trouble, register
from holdfast.console.numbers import grouped
from holdfast.console.state_names import NAMES
from holdfast.dispatch import said
from holdfast.ledger.reads import troubles
from holdfast.waiting.words import length

DAY = timedelta(days=1)
LOST_WITHIN = timedelta(minutes=15)
ERROR_LENGTH = 120
# Nobody is woken for less.
SHORTEST_LONG = 60.0


def unserved_queues(seen: Seen) -> Iterator[Trouble]:
    """Jobs that have waited for a lease where no worker takes them: less may be a worker that starts anew."""
    for queue in seen.queues:
        if queue.unserved and (queue.oldest_seconds or 0.0) >= get_settings().lease_seconds:
            yield Trouble(
                kind="unserved",
                severity=Severity.CRITICAL,
                message=_("No worker takes the jobs of queue %(queue)s: %(n)s wait"),
                values={"queue": queue.name, "n": _counted(queue.total, more=queue.more)},
                route="queue",
                arguments=(queue.name,),
                otherwise="queues",
            )


def stalled_workers(seen: Seen) -> Iterator[Trouble]:
    """Workers that take nothing though they should."""
    for worker in seen.workers:
        if worker.stalled_seconds is not None:
            yield Trouble(
                kind="stalled",
                severity=Severity.CRITICAL,
                message=_("Worker %(worker)s takes no jobs since %(n).0f s, though it has room"),
                values={"worker": worker.name, "n": worker.stalled_seconds},
                route="workers",
            )


def lost_workers(_seen: Seen) -> Iterator[Trouble]:
    """Workers that were frozen, killed or cut off, and are not back."""
    for name, _at in troubles.lost_workers(within=LOST_WITHIN):
        yield Trouble(
            kind="lost",
            severity=Severity.WARNING,
            message=_(
                "Worker %(worker)s stopped beating: it is frozen, killed or cut off. Its jobs were given back"
            ),
            values={"worker": name},
            route="workers",
        )


def dead_letters(_seen: Seen) -> Iterator[Trouble]:
    """Failed and dead jobs: the largest groups of the last day, and those that lie here for longer."""
    found = troubles.dead_letters(within=DAY)
    rules = said.of_jobs(current_app, {group.sample: group.task for group in found.groups})
    for group in found.groups:
        error = rules[group.sample].clean(group.error)[:ERROR_LENGTH]
        yield Trouble(
            kind="dead-letters",
            severity=Severity.WARNING,
            message=_("%(n)s of %(task)s failed in the last 24 h: %(error)s"),
            values={
                "n": _counted(group.count, more=group.count >= troubles.MOST),
                "task": group.task,
                "error": error or NAMES.get(group.reason, group.reason) or _("no error was kept"),
            },
            route="error" if group.fingerprint else "errors",
            arguments=(group.fingerprint,) if group.fingerprint else (),
            otherwise="errors",
        )
    older = found.open - found.recent
    if older > 0 or found.open >= troubles.MOST:
        yield Trouble(
            kind="dead-letters-open",
            severity=Severity.NOTE,
            message=_("%(n)s dead letters wait to be replayed or discarded"),
            values={"n": _counted(found.open, more=found.open >= troubles.MOST)},
            route="errors",
        )


def long_runs(_seen: Seen) -> Iterator[Trouble]:
    """Jobs that run far longer than their task usually does: they hang, or what they wait for does."""
    for one in troubles.long_runs(seconds=max(SHORTEST_LONG, get_settings().lease_seconds)):
        yield Trouble(
            kind="long-run",
            severity=Severity.WARNING,
            message=_(
                "A job of %(task)s has run for %(n)s; nearly all of them take %(usual)s at most"
            ),
            values={
                "task": one.task,
                "n": _lasting(one.seconds),
                "usual": _lasting(one.usual_seconds),
            },
            route="job",
            arguments=(one.id,),
            otherwise="workers",
        )


def paused_with_backlog(seen: Seen) -> Iterator[Trouble]:
    """Queues and tasks that somebody has stopped, and for which jobs wait."""
    waiting = {queue.name: queue.total for queue in seen.queues}
    for one in troubles.paused():
        held = one.held + (waiting.get(one.name, 0) if one.kind == "queue" else 0)
        if held:
            is_queue = one.kind == "queue"
            yield Trouble(
                kind="paused",
                severity=Severity.NOTE,
                message=ngettext_lazy(
                    "Queue %(name)s is paused by %(by)s, and %(n)s job waits for it",
                    "Queue %(name)s is paused by %(by)s, and %(n)s jobs wait for it",
                    held,
                )
                if is_queue
                else ngettext_lazy(
                    "Task %(name)s is paused by %(by)s, and %(n)s job waits for it",
                    "Task %(name)s is paused by %(by)s, and %(n)s jobs wait for it",
                    held,
                ),
                values={
                    "name": one.name,
                    "by": one.by or _("somebody"),
                    "n": _counted(held, more=held >= troubles.MOST),
                },
                route="queue" if is_queue else "queues",
                arguments=(one.name,) if is_queue else (),
                otherwise="queues",
            )


def duties(seen: Seen) -> Iterator[Trouble]:
    """What nobody does: without the duty of upkeep nothing is healed, without a scheduler nothing periodic begins."""
    free = troubles.duties()
    if free.upkeep_is_free and (seen.workers or any(queue.waiting for queue in seen.queues)):
        yield Trouble(
            kind="no-upkeep",
            severity=Severity.CRITICAL,
            message=_(
                "No worker has the duty of upkeep: due jobs are not published and lost ones not given back"
            ),
            route="workers",
        )
    if free.schedules_are_free:
        yield Trouble(
            kind="no-scheduler",
            severity=Severity.CRITICAL,
            message=_("No scheduler runs: nothing periodic begins. Start one: celery beat"),
            route="schedules",
        )


def schedules(seen: Seen) -> Iterator[Trouble]:
    """Due times that were missed, or that nobody has decided yet."""
    for one in troubles.missed(within=DAY):
        yield Trouble(
            kind="missed",
            severity=Severity.WARNING,
            message=_("Schedule %(schedule)s: %(n)s due times in the last 24 h were %(outcome)s"),
            values={
                "schedule": one.schedule,
                "n": one.count,
                "outcome": NAMES.get(one.outcome, one.outcome),
            },
            route="schedule",
            arguments=(one.schedule,),
            otherwise="schedules",
        )
    late = timedelta(seconds=get_settings().schedule_late_seconds)
    for each in listing.schedules():
        if each.next_due_at is not None and each.next_due_at < seen.now - late:
            yield Trouble(
                kind="late",
                severity=Severity.WARNING,
                message=_("Schedule %(schedule)s is late: it was due %(n).0f s ago"),
                values={
                    "schedule": each.name,
                    "n": (seen.now - each.next_due_at).total_seconds(),
                },
                route="schedule",
                arguments=(each.name,),
                otherwise="schedules",
            )


def broker(_seen: Seen) -> Iterator[Trouble]:
    """The broker as this process sees it: asked with one small write, within `publish_timeout_seconds`."""
    outbox = getattr(current_app, "outbox", None)
    if outbox is None:
        return
    publisher = outbox.publisher
    if not (publisher.available and publisher.is_reachable()):
        yield Trouble(
            kind="broker",
            severity=Severity.CRITICAL,
            message=_(
                "The broker does not take messages from this process: jobs wait in the ledger until it is back"
            ),
            route="doctor",
        )


def _lasting(seconds: float) -> Any:
    return lazy(lambda: length(seconds), str)()


def _counted(number: int, *, more: bool) -> Any:
    """Return a lazy text: what is found for all is shown to each in their language."""
    return lazy(lambda: grouped(number) + "+" * more, str)()


register(unserved_queues, every_seconds=0)
register(stalled_workers, every_seconds=0)
register(duties, every_seconds=5)
register(lost_workers, every_seconds=10)
register(broker, every_seconds=10)
register(dead_letters)
register(long_runs, every_seconds=10)
register(paused_with_backlog, every_seconds=10)
register(schedules, every_seconds=60)
