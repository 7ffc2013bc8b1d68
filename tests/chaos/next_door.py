"""Settings of the neighbour: a project of its own, with its own key and queue, on the Redis of the other one."""

from tests.settings import *  # noqa: F403

SECRET_KEY = "of-the-neighbour"
CELERY_TASK_DEFAULT_QUEUE = "next-door"
