"""Settings of JOST's own tests: no service is needed unless the environment names one."""

import os
import tempfile
from pathlib import Path

from jost.settings import stores
from jost.settings.base import *  # noqa: F403
from jost.settings.base import ENVIRONMENT

DATA_DIR = ENVIRONMENT.JOST_DATA_DIR or Path(tempfile.gettempdir(), f"jost-test-{os.getpid()}")

SECRET_KEY = "a key for tests, of no value to anybody"  # noqa: S105
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

JOST_LOGIN = False

MEDIA_ROOT = DATA_DIR / "files"

DATABASES = {"default": stores.database(ENVIRONMENT, embedded=DATA_DIR)}
CELERY_BROKER_URL = stores.broker_url(ENVIRONMENT) or "memory://"
CACHES = stores.caches(ENVIRONMENT.CACHE_URL)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
