"""What rules of alerts can look for, and how bad that can be; whoever counts alerts counts them by these."""

from __future__ import annotations

KINDS = (
    "dead_letter",
    "failure_rate",
    "wait",
    "oldest",
    "missed",
    "worker",
    "unserved",
    "finding",
)
SEVERITIES = ("critical", "warning")
