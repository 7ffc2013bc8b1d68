"""Settings of a deployment: nothing is guessed, what is missing is an error at the start."""

from jost.settings import stores
from jost.settings.base import *  # noqa: F403
from jost.settings.base import ALLOWED_HOSTS, ENVIRONMENT
from jost.settings.environment import missing

DATA_DIR = ENVIRONMENT.JOST_DATA_DIR

if not ALLOWED_HOSTS:
    raise missing("API_HOST", repair='for instance API_HOST="jost.example.com; localhost".')

SECRET_KEY = stores.secret_key(ENVIRONMENT, folder=DATA_DIR)
# Web and workers share it; without one JOST takes no files, unless STORAGES says where else they are kept.
MEDIA_ROOT = DATA_DIR / "files" if DATA_DIR else ""
DATABASES = {"default": stores.database(ENVIRONMENT, embedded=DATA_DIR)}

_BROKER = stores.broker_url(ENVIRONMENT)
if _BROKER is None:
    raise missing(
        "CELERY_BROKER_URL",
        repair="for instance CELERY_BROKER_URL=redis://redis:6379/0, or REDIS_URL where your host injects it.",
    )
CELERY_BROKER_URL = _BROKER
CACHES = stores.caches(ENVIRONMENT.CACHE_URL)

if ENVIRONMENT.CELERY_BEAT_SCHEDULE_FILENAME:
    CELERY_BEAT_SCHEDULE_FILENAME = str(ENVIRONMENT.CELERY_BEAT_SCHEDULE_FILENAME)

JOST_LOGIN = ENVIRONMENT.JOST_LOGIN is not False

_HTTPS = ENVIRONMENT.JOST_HTTPS is not False
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
CSRF_TRUSTED_ORIGINS = [
    f"{'https' if _HTTPS else 'http'}://{host}" for host in ALLOWED_HOSTS if host != "*"
]

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # Names with a hash of the content: browsers may keep a file for ever.
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
