"""What stands around a job, whether it is held or queued: pauses, workers, its expiry, who has the duty, its key."""

from __future__ import annotations

from typing import Any

from celery import current_app
from django.utils.translation import gettext as _

from holdfast.conf import get_settings
from holdfast.dispatch import calls
from holdfast.dispatch.known import task_named
from holdfast.dispatch.said import of_jobs
from holdfast.exceptions import HoldfastError
from holdfast.ledger import pauses
from holdfast.ledger.reads import letters
from holdfast.ledger.reads import standing as reads
from holdfast.ledger.reads.standing import Server, Standing
from holdfast.ledger.states import OPEN
from holdfast.waiting.records import Kind, Wait
from holdfast.waiting.words import length, listed, moment

# The arguments of a job are read for its key only up to so many bytes.
LARGEST_CALL = 65_536


def said(row: Standing, error: str) -> str:
    """Return what an attempt of a job said, as people may see it; one statement if it said anything."""
    return of_jobs(current_app, {row.id: row.task})[row.id].clean(error) if error else ""


def paused(row: Standing) -> list[Wait]:
    """Return the pauses of a job's queue and of its task."""
    found = []
    for pause in pauses.listed():
        if (pause.kind, pause.name) not in {(pauses.QUEUE, row.queue), (pauses.TASK, row.task)}:
            continue
        said = (
            _("The queue %(name)s is paused since %(at)s, by %(by)s%(why)s.")
            if pause.kind == pauses.QUEUE
            else _("The task %(name)s is paused since %(at)s, by %(by)s%(why)s.")
        )
        text = said % {
            "name": pause.name,
            "at": moment(pause.at),
            "by": pause.by or _("somebody"),
            "why": f": {pause.reason}" if pause.reason else "",
        }
        ends = _(
            "It ends with manage.py holdfast resume %(kind)s %(name)s, or on the page of the queues."
        )
        found.append(
            Wait(
                kind=Kind.PAUSE,
                text=text,
                ends=ends % {"kind": f"--{pause.kind}", "name": pause.name},
                trouble=True,
            )
        )
    return found


def unserved(row: Standing, servers: list[Server]) -> list[Wait]:
    """Return that no live worker takes jobs from the queue, or that those who do are stalled."""
    serving = [server for server in servers if row.queue in server.queues]
    if any(server.stalled_at is None for server in serving):
        return []
    if serving:
        since = max(row.since(server.stalled_at) for server in serving)
        text = _(
            "Every worker of the queue %(queue)s is stalled, since %(since)s or less: %(who)s."
        ) % {
            "queue": row.queue,
            "since": length(since),
            "who": listed(server.name for server in serving),
        }
        ends = _(
            "A stalled worker starts its consumer anew, and then ends itself, after stall_seconds each; see its log."
        )
        names = tuple(server.name for server in serving)
        return [Wait(kind=Kind.STALLED, text=text, ends=ends, workers=names, trouble=True)]
    if servers:
        others = (f"{server.name} ({', '.join(server.queues) or _('none')})" for server in servers)
        said = _("There are: %(workers)s.") % {"workers": listed(others)}
    else:
        said = _("There is no live worker at all.")
    text = _("No live worker takes jobs from the queue %(queue)s. %(said)s") % {
        "queue": row.queue,
        "said": said,
    }
    ends = _("Start a worker with -Q %(queue)s, or move the job to a queue that is served.") % {
        "queue": row.queue
    }
    names = tuple(server.name for server in servers[: reads.SHOWN])
    return [Wait(kind=Kind.UNSERVED, text=text, ends=ends, workers=names, trouble=True)]


def expiry(row: Standing) -> list[Wait]:
    """Return when a waiting job will be of no use any more."""
    if row.expires_at is None:
        return []
    words: dict[str, Any] = {"at": moment(row.expires_at), "in": length(row.until(row.expires_at))}
    never = row.due_at is not None and row.due_at >= row.expires_at
    if never:
        text = _("It expires at %(at)s, before it is due: it will never run.") % words
        ends = _("Run it now, or send it again with a later expires.")
    elif row.expires_at <= row.now:
        text = (
            _(
                "It has expired at %(at)s, and ends as expired once a worker or the relay comes to it."
            )
            % words
        )
        ends = _("A replay of it does not expire.")
    else:
        text = _("It expires at %(at)s, in %(in)s.") % words
        ends = _("If no worker has claimed it by then, it ends as expired.")
    return [Wait(kind=Kind.EXPIRES, text=text, ends=ends, until=row.expires_at, trouble=never)]


def relay(row: Standing, *, broker: bool) -> list[Wait]:
    """Return why a job that is due has not been published: the broker is away, nobody does it, or it is about to be."""
    publisher = current_app.outbox.publisher
    if broker and not (publisher.available and publisher.is_reachable()):
        return [silent_broker()]
    who = reads.on_duty()
    due = _("It is due since %(since)s, and is to be put on the broker.") % {
        "since": length(row.since(row.due_at))
    }
    if who is None:
        text = _("%(due)s Workers do that, and no live worker has the duty.") % {"due": due}
        ends = _("Start a worker, of any queue: the first one takes the duty within a sweep.")
        return [Wait(kind=Kind.RELAY, text=text, ends=ends, trouble=True)]
    ends = _(
        "%(who)s has the duty, and publishes it in its next pass: the passes are %(pause)s apart while work is about."
    )
    words = {"who": who, "pause": length(get_settings().relay_seconds)}
    return [Wait(kind=Kind.RELAY, text=due, ends=ends % words, workers=(who,))]


def silent_broker() -> Wait:
    """Return that the broker takes no messages."""
    ends = _(
        "It is published within 10 s of the broker's return; nothing is lost. "
        "Look at the broker: is it up, full, or read-only?"
    )
    text = _("The broker does not take messages, so the job cannot reach a worker.")
    return Wait(kind=Kind.BROKER, text=text, ends=ends, trouble=True)


def key_of(row: Standing) -> str | None:
    """Return the unique key of a job, as its task and its arguments make it; None if it has none that is known here."""
    unique = getattr(task_named(current_app, row.task), "unique", None)
    message = letters.messages([row.id]).get(row.id) if unique else None
    if not unique or message is None or len(message.body) > LARGEST_CALL:
        return None
    try:
        args, kwargs = calls.arguments(current_app, message)
        found: str = unique.key(row.task, current_app.tasks[row.task].run, args, kwargs, given=None)
    except (HoldfastError, TypeError):
        return None
    return found


def key_taken(row: Standing) -> list[Wait]:
    """Return that the unique key of a job was given to another one, which is open too: a replay came after it."""
    key = key_of(row)
    has = reads.who_has(key) if key else None
    other = reads.standing(has[0]) if has and has[0] != row.id else None
    if key is None or has is None or other is None or other.state not in OPEN:
        return []
    text = _(
        "Job %(other)s has its unique key %(key)s since %(at)s: this one was put back to work after that."
    ) % {
        "other": other.id,
        "key": key,
        "at": moment(has[1]),
    }
    ends = _(
        "Both run, beside each other or one after the other. Cancel one of them if only one is wanted."
    )
    return [Wait(kind=Kind.UNIQUE, text=text, ends=ends, jobs=tuple(reads.known([other.id])))]
