"""Why a held job is held: its time, a limit, a pause, its replacement; and what it would wait for after that."""

from __future__ import annotations

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from holdfast.ledger.limiting import limits, line_reads
from holdfast.ledger.limiting.bounds import Bounds
from holdfast.ledger.reads import standing as reads
from holdfast.ledger.reads.standing import Standing
from holdfast.ledger.states import Hold
from holdfast.waiting import around
from holdfast.waiting.records import Kind, Wait
from holdfast.waiting.words import jobs, length, moment


def why(row: Standing, *, broker: bool) -> list[Wait]:
    """Return what holds the job first, then what would hold it after that."""
    paused = around.paused(row)
    rest = around.expiry(row) + around.key_taken(row)
    if row.hold == Hold.LIMIT:
        return _at_limit(row) + paused + around.unserved(row, reads.servers()) + rest
    if row.hold == Hold.REPLACED:
        return _replaced(row) + rest
    after = around.unserved(row, reads.servers()) + rest
    if row.hold == Hold.PAUSE:
        return (paused or _resumed()) + after
    if row.due_at is not None and row.due_at <= row.now:
        return around.relay(row, broker=broker) + paused + after
    return [_for_its_time(row), *paused, *after]


def _for_its_time(row: Standing) -> Wait:
    words: dict[str, Any] = {"at": moment(row.due_at), "in": length(row.until(row.due_at))}
    early = _("The relay puts it on the broker then. Run now ends the wait.")
    if row.hold in {Hold.RETRY, Hold.SNOOZE}:
        last = reads.last_attempt(row.id)
        number, _outcome, raw, ended_at = last or (row.attempts, "", "", None)
        error = around.said(row, raw)
        words |= {"number": number, "error": error or "?", "ended": moment(ended_at)}
    if row.hold == Hold.RETRY:
        text = _(
            "Attempt %(number)s failed at %(ended)s with %(error)s. The next one begins at %(at)s, in %(in)s."
        )
        return Wait(kind=Kind.RETRY, text=text % words, ends=early, until=row.due_at)
    if row.hold == Hold.SNOOZE:
        said = _(": %(error)s") % words if last and last[2] else ""
        text = _("Attempt %(number)s asked to come back at %(at)s, in %(in)s") % words
        return Wait(kind=Kind.SNOOZE, text=f"{text}{said}.", ends=early, until=row.due_at)
    if row.hold == Hold.RELAY:
        text = _("The broker did not take it; it is tried again at %(at)s, in %(in)s.") % words
        return Wait(
            kind=Kind.RELAY,
            text=text,
            ends=_("The relay tries until the broker takes it."),
            until=row.due_at,
        )
    text = _("It is not due: it begins at %(at)s, in %(in)s, as its eta or countdown says.") % words
    return Wait(kind=Kind.ETA, text=text, ends=early, until=row.due_at)


def _at_limit(row: Standing) -> list[Wait]:
    place = line_reads.place_of(row.id)
    if place is None:
        text = _("It waits to be let in by its limits, and is in no line at this moment.")
        return [
            Wait(
                kind=Kind.LIMIT,
                text=text,
                ends=_("The worker with the duty lines it up in its next pass."),
            )
        ]
    use = place.use
    found = limits.find([use.limit])
    bounds = found[0].bounds if found else Bounds()
    holders = reads.known(line_reads.holders(use, of_key=bounds.per_key is not None))
    words = {
        "limit": use.limit,
        "key": _(" for %(key)s") % {"key": use.key} if use.key else "",
        "bounds": _allows(bounds),
        "ahead": jobs(place.ahead, more=place.ahead >= line_reads.MOST_COUNTED),
        "place": number_format(place.ahead + 1, force_grouping=True),
    }
    text = _(
        "The limit %(limit)s has no room%(key)s: it allows %(bounds)s. It is number %(place)s in line, "
        "behind %(ahead)s."
    )
    if holders:
        held_by = _(
            "It is let in when one of those that are in ends; the longest is in for %(since)s."
        )
        ends = held_by % {"since": length(max(row.since(other.since) for other in holders))}
    elif line_reads.is_out_of_tokens(use.limit):
        ends = _("The rate lets the next one in by itself.")
    else:
        ends = _("There is room: the next admission lets it in, or those before it.")
    more = _(" To allow more: manage.py holdfast limits set %(limit)s.") % words
    return [
        Wait(
            kind=Kind.LIMIT,
            text=text % words,
            ends=ends + more,
            jobs=tuple(holders),
            limit=use.limit,
        )
    ]


def _allows(bounds: Bounds) -> str:
    said = []
    if bounds.concurrency is not None:
        said.append(_("%(n)s at once") % {"n": bounds.concurrency})
    if bounds.per_key is not None:
        said.append(_("%(n)s at once for each key") % {"n": bounds.per_key})
    if bounds.rate is not None:
        said.append(bounds.rate)
    return _(" and ").join(said) or _("anything, as far as is known here")


def _replaced(row: Standing) -> list[Wait]:
    kin = reads.open_kin(row)
    text = _(
        "Its body put other jobs in its own place, and it waits for the last of them, which carries its id."
    )
    if kin:
        ends = _(
            "%(jobs)s of them are open; when the step before the last has ended, this job goes on."
        )
        ends %= {"jobs": jobs(len(kin), more=len(kin) == reads.SHOWN)}
    else:
        ends = _(
            "None of them is open any more: the settler ends this job, or its last step has just been recorded."
        )
    return [Wait(kind=Kind.REPLACEMENT, text=text, ends=ends, jobs=tuple(kin))]


def _resumed() -> list[Wait]:
    text = _("It was held for a pause that is over.")
    ends = _("The worker with the duty wakes it in its next pass, a thousand jobs at a time.")
    return [Wait(kind=Kind.PAUSE, text=text, ends=ends)]
