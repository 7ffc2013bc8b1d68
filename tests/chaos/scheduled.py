"""Settings of the scenarios with schedulers: two schedules, of which one catches up all it missed."""

from tests.settings import *  # noqa: F403

CELERY_BEAT_SCHEDULE = {
    "often": {"task": "tests.chaos.tasks.quick", "schedule": 0.5},
    "kept": {
        "task": "tests.chaos.tasks.quick",
        "schedule": 1.0,
        "catch_up": "all",
        "catch_up_max": 1000,
    },
}
