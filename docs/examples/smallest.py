"""A whole project in one file, its settings as well. SECRET_KEY is a secret of yours, REDIS_URL says where Redis is.

export PYTHONPATH=. DJANGO_SETTINGS_MODULE=smallest
django-admin migrate
celery -A smallest worker &
django-admin shell -c 'import smallest; print(smallest.add.delay(2, 3).get(timeout=30))'
"""

import os

from holdfast import Celery

SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["holdfast"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "smallest.db",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
    }
}
CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_TASK_TIME_LIMIT = 300

app = Celery("smallest")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task
def add(x: int, y: int) -> int:
    return x + y
