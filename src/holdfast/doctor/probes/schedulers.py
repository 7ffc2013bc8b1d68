"""The schedulers by the ledger: whether one leads, and what became of the due times of late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting, named, shortened

NO_LEADER = define(
    "holdfast.E641",
    title="There are schedules, and no scheduler leads",
    leads_to="Nothing of them is fired. What is missed follows each one's catch-up rule.",
    repair="Start one, on as many hosts as you like: celery -A PROJECT beat. If one runs, it cannot reach the ledger's "
    "database: read its log.",
)
MISSED = define(
    "holdfast.W642",
    title="Occurrences of schedules were missed",
    leads_to="What they were for did not happen at those times.",
    repair="Run two schedulers, so that one leads while the other is restarted. What must be made good: catch_up = "
    "'last' or 'all' of the schedule.",
)
FAILED = define(
    "holdfast.W643",
    title="Occurrences of schedules could not be fired",
    leads_to="Their condition or their call raises, and does so again at the next due time.",
    repair="Correct should_run or the arguments of the schedule; the reason is in its occurrence.",
)
LATE = define(
    "holdfast.W644",
    title="Schedules are late, though a scheduler leads",
    leads_to="Their jobs come later than they should, and may count as missed.",
    repair="Look at the scheduler's host and log: one that is frozen or short of CPU leads as long as it renews.",
)
DAY = 86400.0
# Within these another scheduler has taken over, see P7 of the guarantees.
TAKE_OVER = 15.0


@probe(area="schedules", finds=[NO_LEADER, LATE], after=["settings", "tables"])
def a_scheduler_leads(look: Look) -> Iterator[Finding]:
    """Whether a scheduler holds the duty, and whether due times are decided when they come."""
    from holdfast.beat.listing import schedules as listed
    from holdfast.exceptions import ConfigurationError
    from holdfast.ledger import schedules
    from holdfast.ledger.reads import health

    try:
        enabled = [one for one in listed() if one.enabled and not one.name.startswith("celery.")]
    except ConfigurationError:
        return  # said by another probe
    if not enabled:
        return
    duty = health.duty(schedules.DUTY)
    if duty is None or duty.holder is None or duty.over_seconds > TAKE_OVER:
        since = (
            "none ever has"
            if duty is None
            else "the last one has left"
            if duty.holder is None
            else f"the last one has not renewed its duty for {lasting(duty.over_seconds)}"
        )
        yield NO_LEADER.seen(
            f"{counted(len(enabled), 'schedule')} ({named(one.name for one in enabled)}); {since}.",
            schedules=shortened([one.name for one in enabled]),
        )
        return
    now = look.now()
    longest = timedelta(seconds=look.settings.schedule_late_seconds)
    for one in enabled:
        if one.next_due_at is not None and now - one.next_due_at > longest:
            late = (now - one.next_due_at).total_seconds()
            yield LATE.seen(
                f"{one.name!r} ({one.timing}) was due {lasting(late)} ago and is not decided.",
                about=one.name,
                schedule=one.name,
                seconds=round(late),
            )


@probe(area="schedules", finds=[MISSED, FAILED], after=["settings", "tables"])
def occurrences_are_fired(look: Look) -> Iterator[Finding]:
    """What became of the due times of the last day."""
    del look
    from holdfast.ledger import schedules
    from holdfast.ledger.schedules import Decision

    for outcome, definition in ((Decision.MISSED, MISSED), (Decision.FAILED, FAILED)):
        for name, (count, reason) in schedules.of_late(outcome, seconds=DAY).items():
            yield definition.seen(
                f"{name!r}: {counted(count, 'due time', most=schedules.MOST_OF_LATE)} in the last day; the latest: "
                f"{reason}",
                about=name,
                schedule=name,
                count=count,
            )
