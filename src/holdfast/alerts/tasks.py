"""The task that sends a message; known to every process, so it brings nothing with it that only a sender needs."""

from __future__ import annotations

from celery import shared_task

from holdfast.alerts.errors import NotSent, Refused
from holdfast.exceptions import EffectBusy
from holdfast.policies.retry_rules import Never, Rule

# Of a message that cannot be sent no message is sent, unless a rule names this task.
OWN_TASK = "holdfast.send_alert"


@shared_task(  # type: ignore[untyped-decorator]
    name=OWN_TASK,
    ignore_result=True,
    retry_rules=[
        Never(Refused),
        Rule(NotSent, max=10, backoff=5.0, backoff_max=900.0),
        Rule(EffectBusy, max=10, backoff=5.0),
    ],
)
def send_alert(notice: int) -> str:
    """Send one message; what it says and where it goes is in the ledger and in the settings."""
    from holdfast.alerts import sending

    return sending.send(notice)
