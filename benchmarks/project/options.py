"""The Celery settings both systems get, from the environment."""

from __future__ import annotations

import os
from typing import Any


def celery_settings() -> dict[str, Any]:
    """Return the settings: Celery's defaults but for the broker and what a contender is named after."""
    settings: dict[str, Any] = {
        "broker_url": os.environ["BENCH_BROKER_URL"],
        "broker_connection_retry_on_startup": True,
        "imports": ["benchmarks.project.tasks"],
        "worker_prefetch_multiplier": int(os.environ.get("BENCH_PREFETCH", "4")),
    }
    if results := os.environ.get("BENCH_RESULTS"):
        settings["result_backend"] = results
    return settings
