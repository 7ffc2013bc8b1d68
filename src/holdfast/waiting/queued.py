"""Why a queued job does not run: a pause, no worker, no broker, a lost message, busy workers, those before it."""

from __future__ import annotations

from itertools import islice

from celery import current_app
from django.utils.translation import gettext as _

from holdfast.broker.contents import Contents
from holdfast.broker.publisher import Unavailable
from holdfast.conf import get_settings
from holdfast.ledger.reads import standing as reads
from holdfast.ledger.reads.standing import Server, Standing
from holdfast.waiting import around
from holdfast.waiting.records import Kind, Wait
from holdfast.waiting.words import jobs, length, listed

# Pages of a list that are looked through for one message: some two thousand messages. One that has more jobs before it
# is not looked for: it is further back, and the one who looks may look each few seconds.
PAGES = 2
NEAR = 1000


def why(row: Standing, *, broker: bool) -> list[Wait]:
    """Return what stands in the way first."""
    servers = reads.servers()
    found = around.paused(row) + around.unserved(row, servers)
    on_broker: bool | None = None
    ahead, more = reads.before(row)
    if broker:
        try:
            on_broker = _is_on_broker(row, near=ahead <= NEAR)
        except Unavailable:
            found.insert(0, around.silent_broker())
    found += _line(row, servers, ahead, more=more, on_broker=on_broker)
    if on_broker is False:
        found += _message_is_gone(row, servers)
    if row.suspect:
        found.append(_suspect(row))
    return found + around.expiry(row) + around.key_taken(row)


def _is_on_broker(row: Standing, *, near: bool) -> bool | None:
    """Tell whether the job's message is in its list; None if that is too far back to say, or this broker shows none.

    Raises:
        Unavailable: the broker does not answer.
    """
    publisher = current_app.outbox.publisher
    if not publisher.available:
        # It did not answer a moment ago, and somebody asks it twice a second: nobody else need wait for it.
        raise Unavailable("the broker did not answer a moment ago", rest=())
    contents = Contents(publisher, queue=row.queue, priority=row.priority)
    if not contents.readable or not near:
        return None
    pages = contents.pages()
    if any((row.id, row.token) in page for page in islice(pages, PAGES)):
        return True
    return None if next(pages, None) else False


def _line(
    row: Standing, servers: list[Server], ahead: int, *, more: bool, on_broker: bool | None
) -> list[Wait]:
    serving = [
        server for server in servers if row.queue in server.queues and server.stalled_at is None
    ]
    found = []
    if serving and all(server.busy for server in serving):
        found.append(_busy(row, serving))
    if ahead:
        words = {"jobs": jobs(ahead, more=more), "queue": row.queue}
        text = _(
            "%(jobs)s of the queue %(queue)s are taken before it, of a higher priority or published earlier."
        )
        found.append(Wait(kind=Kind.LINE, text=text % words, ends=_estimate(row, ahead, more=more)))
    elif serving and not found:
        found.append(_on_its_way(row, on_broker=on_broker))
    return found


def _busy(row: Standing, serving: list[Server]) -> Wait:
    running = sorted(
        (job for server in serving for job in server.running), key=lambda job: str(job.since)
    )
    slots = sum(server.slots for server in serving)
    text = _("All %(slots)s slots of the workers of its queue are taken: %(who)s.") % {
        "slots": slots,
        "who": listed(
            f"{server.name} ({len(server.running)}/{server.slots})" for server in serving
        ),
    }
    longest = length(row.since(running[0].since)) if running else "?"
    ends = _(
        "It is claimed when a job there ends; the longest runs for %(longest)s. More workers or slots end it sooner."
    )
    return Wait(
        kind=Kind.BUSY,
        text=text,
        ends=ends % {"longest": longest},
        jobs=tuple(running[: reads.SHOWN]),
        workers=tuple(server.name for server in serving[: reads.SHOWN]),
    )


def _estimate(row: Standing, ahead: int, *, more: bool) -> str:
    pace = reads.pace(row)
    if not pace.per_second:
        return _("Too few jobs of this queue ended lately to say how long that takes.")
    words = {"rate": f"{pace.per_second:.3g}", "in": length(ahead / pace.per_second)}
    if more:
        return (
            _("At the pace of the last minutes, %(rate)s a second, it takes longer than %(in)s.")
            % words
        )
    return (
        _("At the pace of the last minutes, %(rate)s a second, its turn comes in about %(in)s.")
        % words
    )


def _on_its_way(row: Standing, *, on_broker: bool | None) -> Wait:
    since = length(row.since(row.published_at))
    if on_broker:
        text = _("Its message lies on the broker since %(since)s, and nobody is before it.")
        ends = _(
            "A worker of the queue with a free slot fetches it at once. If this stays so, look at the workers."
        )
    else:
        text = _(
            "It was published %(since)s ago, and a worker with a free slot is about to claim it."
        )
        ends = _("That takes milliseconds, and longer while the database is slow.")
    return Wait(kind=Kind.MESSAGE, text=text % {"since": since}, ends=ends)


def _message_is_gone(row: Standing, servers: list[Server]) -> list[Wait]:
    settings = get_settings()
    age = row.since(row.published_at)
    words = {
        "since": length(age),
        "grace": length(settings.grace_seconds),
        "sweep": length(settings.sweep_seconds),
    }
    text = _(
        "Its message is not on the broker: a worker has fetched it and not claimed it yet, or it is lost."
    )
    who = reads.on_duty()
    if who is None:
        ends = _("No live worker has the duty to publish it again. Start a worker, of any queue.")
        return [Wait(kind=Kind.LOST_MESSAGE, text=text, ends=ends, trouble=True)]
    words["who"] = who
    if age < settings.grace_seconds:
        words["in"] = length(settings.grace_seconds - age)
        ends = _(
            "If it is lost, %(who)s publishes it again in %(in)s, %(grace)s after it was published, "
            "and a sweep of %(sweep)s."
        )
    else:
        ends = _(
            "%(who)s looks each %(sweep)s and publishes it again if it is lost: it is %(since)s old."
        )
    names = tuple(server.name for server in servers if row.queue in server.queues)
    return [
        Wait(kind=Kind.LOST_MESSAGE, text=text, ends=ends % words, workers=names[: reads.SHOWN])
    ]


def _suspect(row: Standing) -> Wait:
    text = _(
        "A worker was lost with it (losses: %(losses)s of %(most)s), so it is claimed only into a free slot."
    ) % {
        "losses": row.losses,
        "most": get_settings().max_lost_attempts,
    }
    last = reads.last_attempt(row.id)
    said = (
        _(" Attempt %(n)s: %(error)s.") % {"n": last[0], "error": around.said(row, last[2])}
        if last and last[2]
        else ""
    )
    ends = _("It runs when a worker has a slot to itself for it. At the last loss it is dead.")
    return Wait(kind=Kind.SUSPECT, text=text + said, ends=ends)
