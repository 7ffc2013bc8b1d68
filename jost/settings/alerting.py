"""Who is told of JOST's alerts: whom the environment names, of what is worth being woken for.

An administrator adds more in the console; addresses and keys are in the environment alone.
"""

from __future__ import annotations

from typing import Any

from jost.settings import queues
from jost.settings.environment import Environment

# How long the oldest job of a queue may wait, in seconds, by what the queue is for.
PATIENCE = {
    queues.CRITICAL: 60,
    queues.FAST: 60,
    queues.DEFAULT: 300,
    queues.IO: 300,
    # A simulation fills all cores for minutes, and the next one waits its turn.
    queues.CPU: 1800,
    queues.LOW_PRIORITY: 3600,
}
# How bad it is when a job of an app has failed for good: money and long computations wake somebody.
DEAD_LETTERS = {
    "orders": "critical",
    "simulations": "critical",
    "accounts": "warning",
    "imports": "warning",
    "leads": "warning",
    "reports": "warning",
}
RULES: list[dict[str, Any]] = [
    *(
        {
            "when": "dead_letter",
            "name": f"dead letter of {app}",
            "task": f"jost.{app}.*",
            "severity": severity,
        }
        for app, severity in DEAD_LETTERS.items()
    ),
    {"when": "failure_rate", "name": "many failures", "above": 0.05, "least": 50},
    *(
        {
            "when": "oldest",
            "name": f"old in {queue}",
            "queue": queue,
            "above": seconds,
            "severity": "critical" if queue == queues.CRITICAL else "warning",
        }
        for queue, seconds in PATIENCE.items()
    ),
    {"when": "unserved", "name": "nobody serves", "for_seconds": 120, "severity": "critical"},
    {"when": "worker", "name": "frozen or lost worker", "severity": "critical"},
    {"when": "missed", "name": "missed due time"},
    # Asked twice: while processes start, some queue is not served yet.
    {"when": "finding", "name": "the doctor", "level": "error", "for_seconds": 180},
]


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
    if environment.ALERT_WEBHOOK_URL:
        url = environment.ALERT_WEBHOOK_URL.get_secret_value()
        channels["webhook"] = {"kind": "webhook", "url": url}
    return {
        "channels": channels,
        "rules": RULES,
        "queue": queues.ALERTS,
        "source": "JOST",
        "console_url": environment.ALERT_CONSOLE_URL or "",
    }
