"""Who is told of JOST's alerts: whom the environment names, of what is worth being woken for."""

from __future__ import annotations

from typing import Any

from jost.settings import queues
from jost.settings.environment import Environment


def settings(environment: Environment) -> dict[str, Any]:
    """Return what HOLDFAST says of alerts; without a channel nobody looks."""
    channels: dict[str, dict[str, Any]] = {}
    if environment.ALERT_SLACK_URL:
        url = environment.ALERT_SLACK_URL.get_secret_value()
        channels["slack"] = {"kind": "slack", "url": url}
    if environment.ALERT_PAGERDUTY_KEY:
        key = environment.ALERT_PAGERDUTY_KEY.get_secret_value()
        channels["pagerduty"] = {"kind": "pagerduty", "routing_key": key}
    if environment.ALERT_EMAIL:
        channels["email"] = {"kind": "email", "to": environment.ALERT_EMAIL}
    return {"channels": channels, "queue": queues.ALERTS, "source": "JOST"}
