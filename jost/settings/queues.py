"""JOST's queues and which task goes to which; read by every process that sends or runs jobs."""

from __future__ import annotations

from kombu import Queue

DEFAULT = "default"
CRITICAL = "critical"  # payments: never behind anything else
LOW_PRIORITY = "low-priority"  # reports: may wait
FAST = "fast"  # milliseconds each
CPU = "cpu"  # simulations: one per core, in processes
ALERTS = "alerts"  # messages to people
IO = "io"  # waits for the outside world, in threads

NAMES = (DEFAULT, CRITICAL, LOW_PRIORITY, FAST, CPU, IO, ALERTS)

TASK_QUEUES = [Queue(name) for name in NAMES]

TASK_ROUTES = {
    "jost.orders.*": {"queue": CRITICAL},
    # A report may wait; that somebody waits for the world outside must hold up no report.
    "jost.reports.mail_summary": {"queue": IO},
    "jost.reports.settle": {"queue": DEFAULT},
    "jost.reports.*": {"queue": LOW_PRIORITY},
    "jost.embedded.*": {"queue": FAST},
    "jost.simulations.*": {"queue": CPU},
    # It looks in the database; what it finds waits for the world outside.
    "jost.leads.collect_followups": {"queue": DEFAULT},
    "jost.leads.*": {"queue": IO},
    "jost.accounts.find_unsent": {"queue": DEFAULT},
    "jost.accounts.forget_unused": {"queue": DEFAULT},
    "jost.accounts.*": {"queue": IO},
    "jost.imports.settle": {"queue": DEFAULT},
    "jost.imports.*": {"queue": LOW_PRIORITY},
    "jost.gateways.*": {"queue": IO},
}
