"""The numbers of alerts: what fires, what became of messages, and whether somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.ledger import counts
from holdfast.ledger.alert_kinds import KINDS, SEVERITIES
from holdfast.ledger.reads import alert_reads
from holdfast.metrics import bounds, contract
from holdfast.metrics.readings import Reading, first, reading


def alerts() -> Iterator[Reading]:
    """What fires by our own rules, and who was told: nothing where nobody is to be told."""
    said = alert_reads.said()
    if said is None:
        return
    if said.rules:
        yield reading(contract.ALERT_LOOK, alert_reads.looked().seconds)
    firing = alert_reads.firing()
    for kind in KINDS:
        for severity in SEVERITIES:
            yield reading(contract.ALERTS_FIRING, firing[kind, severity], kind, severity)
    told, waiting = counts.told(), alert_reads.waiting()
    for channel in first(said.channels, most=bounds.MOST_CHANNELS, key=str):
        label = channel[:100]
        yield reading(contract.MESSAGES_SENT, told.get((counts.SENT, label), 0), channel)
        yield reading(contract.MESSAGES_FAILED, told.get((counts.NOT_SENT, label), 0), channel)
        yield reading(contract.MESSAGES_WAITING, waiting.get(channel, 0), channel)
