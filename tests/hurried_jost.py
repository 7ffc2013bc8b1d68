"""JOST whose schedules do not wait for the next minute."""

from jost.settings.test import *  # noqa: F403
from jost.settings.test import CELERY_BEAT_SCHEDULE as _SCHEDULE

CELERY_BEAT_SCHEDULE = {name: entry | {"schedule": 0.5} for name, entry in _SCHEDULE.items()}
