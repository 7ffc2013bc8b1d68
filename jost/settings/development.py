"""Settings of one developer's machine: everything that is not given is embedded, below one folder."""

import os
from datetime import UTC, datetime, timedelta

from jost.embedded import state
from jost.settings import stores
from jost.settings.base import *  # noqa: F403
from jost.settings.base import ALLOWED_HOSTS, CELERY_BEAT_SCHEDULE, ENVIRONMENT, ROOT

DATA_DIR = ENVIRONMENT.JOST_DATA_DIR or ROOT / "var"

SECRET_KEY = stores.secret_key(ENVIRONMENT, folder=DATA_DIR)
ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]"]

# The page of `make up` listens on this machine only.
JOST_LOGIN = ENVIRONMENT.JOST_LOGIN is True

DATABASES = {"default": stores.database(ENVIRONMENT, embedded=DATA_DIR)}

# The embedded server keeps its port, so this address is right even before it runs: jobs sent
# meanwhile wait in the ledger.
_EMBEDDED = state.redis_url(DATA_DIR)
_BROKER = stores.broker_url(ENVIRONMENT)
# Nobody else can write to the embedded server: the console may look into workers.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = (
    not _BROKER
    if not ENVIRONMENT.is_given("CELERY_WORKER_ENABLE_REMOTE_CONTROL")
    else ENVIRONMENT.CELERY_WORKER_ENABLE_REMOTE_CONTROL
)
EMBEDDED_REDIS_PORT = None if _BROKER else state.redis_port(DATA_DIR)
CELERY_BROKER_URL = _BROKER or f"{_EMBEDDED}/0"
CACHES = stores.caches(ENVIRONMENT.CACHE_URL or (None if _BROKER else f"{_EMBEDDED}/2"))

JOST_GATEWAYS_URL = ENVIRONMENT.JOST_GATEWAYS_URL or state.gateways_url(DATA_DIR)
if not ENVIRONMENT.EMAIL_URL:
    EMAIL_BACKEND = "jost.gateways.email.EmailBackend"

# Uploads and what is made for downloading; no address shows this folder.
MEDIA_ROOT = DATA_DIR / "files"

CELERY_BEAT_SCHEDULE_FILENAME = str(
    ENVIRONMENT.CELERY_BEAT_SCHEDULE_FILENAME or DATA_DIR / "celerybeat-schedule"
)

# Style sheets are served from where they are edited.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

# By `make demo`, which starts all processes itself.
JOST_DEMO = bool(os.environ.get("JOST_DEMO"))
JOST_DEMO_FREEZE_SECONDS = float(os.environ.get("JOST_DEMO_FREEZE_SECONDS") or 30)

# The scheduler's sign of life. A new name at every start, and a minute ago as the last time: it is
# due at once, whatever the ledger remembers of the start before.
JOST_RUN = os.environ.get("JOST_RUN", "")
CELERY_BEAT_SCHEDULE = CELERY_BEAT_SCHEDULE | {
    f"pulse {JOST_RUN}": {
        "task": "jost.embedded.pulse",
        "schedule": 60.0,
        "args": ["scheduler", JOST_RUN],
        # A sign of life is no job to keep: nothing of it belongs in the ledger.
        "options": {"expires": 30, "durable": False},
        "last_run_at": datetime.now(UTC) - timedelta(minutes=1),
    },
}
