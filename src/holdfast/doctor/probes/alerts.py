"""Alerts: whether somebody looks at the rules, and whether those who are to be told can be."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.doctor.findings import Finding, define
from holdfast.doctor.look import Look
from holdfast.doctor.probing import probe
from holdfast.doctor.wording import counted, lasting

NOBODY_LOOKS = define(
    "holdfast.E651",
    title="There are rules for alerts, and nobody looks at them",
    leads_to="Whatever happens, nobody is told.",
    repair="Start, or restart, a worker or a scheduler with these settings, or beside them: manage.py holdfast alerts "
    "watch. If one runs, its log says why it cannot look.",
)
NOT_TAKEN = define(
    "holdfast.W652",
    title="A channel of alerts takes no messages",
    leads_to="Whom it reaches is not told. A message is tried for a day, and then news no more.",
    repair="Look at its address and its key in HOLDFAST['alerts']['channels'], then: manage.py holdfast alerts "
    "test CHANNEL.",
)
NO_CHANNEL = define(
    "holdfast.W653",
    title="A rule that was added names a channel that the settings do not have",
    leads_to="The others that it names are told; without any of them nobody is, until one is back.",
    repair="Name the channel in HOLDFAST['alerts']['channels'] again, or: manage.py holdfast alerts "
    "change RULE --to CHANNEL.",
)
# Looks that may be missed: whoever takes over needs three. And no less than this.
LOOKS, LEAST_SECONDS = 10, 60.0
FAILS_SECONDS = 600.0


@probe(area="alerts", finds=[NOBODY_LOOKS], after=["settings", "tables"])
def somebody_looks(look: Look) -> Iterator[Finding]:
    """When the rules were looked at last, from beginning to end."""
    del look
    from holdfast.ledger.reads import alert_reads

    said = alert_reads.said()
    if said is None or not said.rules:
        return
    looked = alert_reads.looked()
    if looked.seconds <= max(LOOKS * said.every_seconds, LEAST_SECONDS):
        return
    if looked.seconds == float("inf"):
        if looked.held:
            return  # the first look is under way
        since = "Nobody ever has."
    else:
        who = "somebody has the duty, and comes to no end" if looked.held else "nobody has the duty"
        since = f"The last look was {lasting(looked.seconds)} ago, and {who}."
    seconds = None if looked.seconds == float("inf") else round(looked.seconds)
    yield NOBODY_LOOKS.seen(since, seconds=seconds, held=looked.held)


@probe(area="alerts", finds=[NOT_TAKEN], after=["settings", "tables"])
def channels_take_messages(look: Look) -> Iterator[Finding]:
    """Which channels have not taken a message for ten minutes."""
    del look
    from holdfast.ledger.reads import alert_reads

    said = alert_reads.said()
    for one in alert_reads.failing() if said is not None else ():
        if said is None or one.channel not in said.channels or one.seconds < FAILS_SECONDS:
            continue
        yield NOT_TAKEN.seen(
            f"{one.channel}: {counted(one.messages, 'message')} not taken, the first made {lasting(one.seconds)} "
            f"ago; the last try: {one.error}",
            repair=NOT_TAKEN.repair.replace("CHANNEL", one.channel),
            about=one.channel,
            channel=one.channel,
            messages=one.messages,
            seconds=round(one.seconds),
        )


@probe(area="alerts", finds=[NO_CHANNEL], after=["settings", "tables"])
def added_rules_reach_somebody(look: Look) -> Iterator[Finding]:
    """Which added rules name channels that are gone."""
    del look
    from holdfast.ledger import alert_rules
    from holdfast.ledger.reads import alert_reads

    said = alert_reads.said()
    known = frozenset() if said is None else said.channels
    for row in alert_rules.added():
        asked = [str(name) for name in row.said.get("to") or ()]
        gone = [name for name in asked if name not in known]
        if gone or not known:
            named = ", ".join(repr(name) for name in gone) or "all channels, and there is none"
            yield NO_CHANNEL.seen(
                f"{row.name!r} tells {named}.",
                repair=NO_CHANNEL.repair.replace("RULE", repr(row.name)),
                about=row.name,
                rule=row.name,
                channels=gone,
                reached=len(asked) - len(gone) if asked else len(known),
            )
