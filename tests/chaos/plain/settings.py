"""Settings of a project without Holdfast: the safest that Celery 5.7 documents for Redis; each says what it is for."""

from __future__ import annotations

import os

from tests import settings as product

SECRET_KEY = "only-for-tests"
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django_celery_results",
    "tests.chaos.plain",
]
DATABASES = {"default": product._database(os.environ.get("TEST_DATABASE_URL", "sqlite://"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:1/0")
# Redis may be wiped: results and the counts of chords are safer in the database.
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = False
# A message is taken off when the job has ended, not when it begins, and put back when its process is lost.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# A worker holds no more than it runs.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Longer than the longest job with its countdown, as is documented, and not longer: a lost worker's jobs wait for it.
VISIBILITY_TIMEOUT = 15
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT,
    # Look for what was lost every second; the default is each 100 s.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "retry_on_timeout": True,
    "health_check_interval": 5,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Calls are tried again while Redis is away, as long as the default says.
CELERY_TASK_PUBLISH_RETRY = True
# A worker that is asked to leave puts back what it cannot end.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = True
