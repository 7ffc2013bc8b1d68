"""What there is to know of a job that runs: where, since when, how its worker is, whether it looks stuck."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.utils.translation import gettext as _

from holdfast.conf import get_settings
from holdfast.dispatch.known import task_named
from holdfast.ledger.reads import standing as reads
from holdfast.ledger.reads.standing import Lease, Standing
from holdfast.waiting.records import Kind, Wait
from holdfast.waiting.words import length, moment


def why(row: Standing) -> list[Wait]:
    """Return what is wrong first, then where it runs."""
    lease = reads.lease_of(row.worker)
    found = _asked(row)
    if lease is None or lease.gone:
        return [*found, _worker_is_gone(row, lease)]
    # Nothing notes where a body begins: what was claimed ahead of a slot runs once those before it have ended.
    earlier = reads.beside(row) if row.ahead else []
    if len(earlier) >= lease.slots:
        return [*found, _in_memory(row, lease, earlier), *_stalled(row, lease)]
    return [*found, *_stuck(row, lease), *_stalled(row, lease), _runs(row, lease)]


def after_the_end(row: Standing) -> list[Wait]:
    """Return that those who wait for a job that is over have not been told yet."""
    if not row.unsettled:
        return []
    text = _(
        "It is over, and those who wait for it (a chord, a chain, an error callback) have not been told yet."
    )
    ends = _("The worker with the duty tells them within a sweep.")
    return [Wait(kind=Kind.TELLING, text=text, ends=ends, trouble=reads.on_duty() is None)]


def _runs(row: Standing, lease: Lease) -> Wait:
    renewed = lease.lease_seconds and row.since(lease.lease_until) == 0
    age = (
        max(0.0, lease.lease_seconds - row.until(lease.lease_until))
        if renewed and lease.lease_seconds
        else None
    )
    words = {
        "number": row.attempts,
        "since": length(row.since(row.started_at)),
        "worker": lease.name,
        "until": moment(lease.lease_until),
        "beat": _(", renewed %(age)s ago") % {"age": length(age)} if age is not None else "",
    }
    text = _(
        "Attempt %(number)s runs on %(worker)s for %(since)s. The worker's lease stands until %(until)s%(beat)s."
    )
    ends = _(
        "It ends when its body does. If its worker is lost, it is given back a lease and a sweep later."
    )
    return Wait(kind=Kind.RUNNING, text=text % words, ends=ends, until=None, workers=(lease.name,))


def _in_memory(row: Standing, lease: Lease, earlier: list[reads.Other]) -> Wait:
    words = {
        "worker": lease.name,
        "since": length(row.since(row.started_at)),
        "n": len(earlier),
        "slots": lease.slots,
        "longest": length(row.since(earlier[0].since)),
    }
    text = _(
        "%(worker)s has claimed it %(since)s ago, ahead of a free slot: it waits in the worker's memory "
        "behind %(n)s jobs for one of %(slots)s slots. The longest of them is there for %(longest)s."
    )
    ends = _(
        "It begins when those before it have ended. A lower claim_ahead_seconds claims fewer ahead."
    )
    shown = tuple(earlier[: reads.SHOWN])
    return Wait(kind=Kind.CLAIMED, text=text % words, ends=ends, jobs=shown, workers=(lease.name,))


def _worker_is_gone(row: Standing, lease: Lease | None) -> Wait:
    settings = get_settings()
    if lease is None:
        text = _("Its worker is not known any more.")
    else:
        text = _("Its worker %(worker)s is gone: its lease ran until %(until)s.")
        text %= {"worker": lease.name, "until": moment(lease.lease_until)}
    who = reads.on_duty()
    if who is None:
        ends = _("No live worker has the duty to give it back. Start a worker, of any queue.")
        return Wait(kind=Kind.LOST_WORKER, text=text, ends=ends, trouble=True)
    ends = _(
        "%(who)s gives it back within a sweep of %(sweep)s: losses %(losses)s of %(most)s so far."
    ) % {
        "who": who,
        "sweep": length(settings.sweep_seconds),
        "losses": row.losses,
        "most": settings.max_lost_attempts,
    }
    return Wait(kind=Kind.LOST_WORKER, text=text, ends=ends, workers=(who,))


def _stalled(row: Standing, lease: Lease) -> list[Wait]:
    if lease.stalled_at is None:
        return []
    text = _("Its worker %(worker)s takes nothing since %(since)s, though it should.")
    text %= {"worker": lease.name, "since": length(row.since(lease.stalled_at))}
    ends = _(
        "It starts its consumer anew, and ends itself if that does not help; the job is given back then."
    )
    return [Wait(kind=Kind.STALLED, text=text, ends=ends, workers=(lease.name,), trouble=True)]


def _stuck(row: Standing, lease: Lease) -> list[Wait]:
    seconds = row.since(row.started_at)
    limit = _time_limit(row)
    words: dict[str, Any] = {"since": length(seconds)}
    if limit is not None and seconds > limit:
        words["limit"] = length(limit)
        text = (
            _("It looks stuck: it runs for %(since)s, longer than its time limit of %(limit)s.")
            % words
        )
        ends = _(
            "Its pool should have ended it. Cancel and stop it, and look at the worker %(worker)s."
        )
        return [Wait(kind=Kind.STUCK, text=text, ends=ends % {"worker": lease.name}, trouble=True)]
    pace = reads.pace(row)
    if pace.p99_seconds is None or seconds <= pace.p99_seconds:
        return []
    words |= {"p99": length(pace.p99_seconds), "runs": pace.runs}
    text = _(
        "It takes long: %(since)s, where 99 of 100 of the last %(runs)s runs of its task took %(p99)s or less."
    )
    ends = _("Look at its log lines and at what its worker does. Cancel and stop it if it hangs.")
    return [Wait(kind=Kind.STUCK, text=text % words, ends=ends, trouble=limit is None)]


def _time_limit(row: Standing) -> float | None:
    """Return the seconds after which the job's pool ends it, as its call or its task says; None if nothing does."""
    task = task_named(current_app, row.task)
    own = (reads.headers_of(row.id).get("timelimit") or (None, None))[0]
    found = own or getattr(task, "time_limit", None) or current_app.conf.task_time_limit
    return float(found) if found else None


def _asked(row: Standing) -> list[Wait]:
    if row.cancel_asked_at is None:
        return []
    text = _("It was asked to stop at %(at)s, %(since)s ago.")
    text %= {"at": moment(row.cancel_asked_at), "since": length(row.since(row.cancel_asked_at))}
    ends = _(
        "Its body looks for that by itself, with is_aborted(). If it does not, cancel and stop it."
    )
    return [Wait(kind=Kind.CANCEL_ASKED, text=text, ends=ends)]
