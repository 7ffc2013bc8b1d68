import os
from urllib.parse import urlsplit

SECRET_KEY = "only-here"
USE_TZ = True
ROOT_URLCONF = "shop.urls"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "orders",
]

_url = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {
    "default": (
        {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _url.path,
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        }
        if _url.scheme == "sqlite"
        else {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path.lstrip("/"),
            "USER": _url.username,
            "HOST": _url.hostname,
            "PORT": _url.port,
        }
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CELERY_BROKER_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 43200}
CELERY_TASK_ROUTES = {"orders.tasks.mail": {"queue": "mail"}}
CELERY_BEAT_SCHEDULE = {
    "tidy": {"task": "orders.tasks.tidy", "schedule": 3600.0},
}
