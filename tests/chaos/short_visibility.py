"""Settings of the test project with a visibility timeout far below the length of a job; read by workers."""

from tests.settings import *  # noqa: F403

CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 1}
